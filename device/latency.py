"""Latencies of results, by the device's own clock, and their percentiles."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from contract.results import Result

# Enough for exact percentiles of a lab session; a month of service keeps the newest.
KEEP = 100_000


@dataclass(frozen=True)
class Latency:
    """How old a result is when it is shown, ms: since the clip's end and since its start."""

    clip_end: int
    capture_start: int

    @classmethod
    def of(cls, result: Result, now_ms: int) -> Latency | None:
        """None for a clip that carried no capture times."""
        if result.capture_end_ms is None or result.capture_start_ms is None:
            return None
        return cls(now_ms - result.capture_end_ms, now_ms - result.capture_start_ms)


@dataclass(frozen=True)
class Percentiles:
    """Of one latency, ms. Nearest rank: each is a value that really occurred."""

    p50: int
    p95: int
    max: int

    @classmethod
    def of(cls, values: list[int]) -> Percentiles | None:
        if not values:
            return None
        ordered = sorted(values)

        def rank(share: float) -> int:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

        return cls(rank(0.50), rank(0.95), ordered[-1])


class Latencies:
    """The latencies of a run, the last `keep` of them."""

    def __init__(self, keep: int = KEEP) -> None:
        self._values: deque[Latency] = deque(maxlen=keep)

    def add(self, latency: Latency) -> None:
        self._values.append(latency)

    def clip_end(self) -> Percentiles | None:
        return Percentiles.of([value.clip_end for value in self._values])

    def capture_start(self) -> Percentiles | None:
        return Percentiles.of([value.capture_start for value in self._values])
