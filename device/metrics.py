"""Metrics for Prometheus: what a device's program counts.

https://prometheus.io/docs/instrumenting/exposition_formats/, the text format, version 0.0.4. The
same numbers stand in the JSON lines; nothing here names a person or a clip.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# Seconds. A warm clip takes 0.15 s in the lab, a cold start two, an outage minutes.
LATENCY_BUCKETS_S = (0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


@dataclass(frozen=True)
class Metric:
    """One value. A counter's name ends in `_total`; `labels` are device and the like."""

    name: str
    kind: str  # counter or gauge
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterable[str]:
        yield from _head(self.name, self.kind, self.help)
        yield f"{self.name}{_labels(self.labels)} {_number(self.value)}"


class Histogram:
    """How often a duration was at most so many seconds, since the program began."""

    def __init__(self, name: str, help: str, bounds_s: Sequence[float] = LATENCY_BUCKETS_S) -> None:
        self._name = name
        self._help = help
        self._bounds_s = bounds_s
        self._counts = [0] * len(bounds_s)
        self._count = 0
        self._sum_s = 0.0
        self._lock = threading.Lock()

    def add(self, seconds: float) -> None:
        """A device's clock may step back: a duration below zero counts as none."""
        seconds = max(0.0, seconds)
        with self._lock:
            self._count += 1
            self._sum_s += seconds
            for place, bound_s in enumerate(self._bounds_s):
                self._counts[place] += seconds <= bound_s

    def lines(self) -> Iterable[str]:
        with self._lock:
            counts, count, sum_s = list(self._counts), self._count, self._sum_s
        yield from _head(self._name, "histogram", self._help)
        for bound_s, within in zip(self._bounds_s, counts, strict=True):
            yield f'{self._name}_bucket{{le="{_number(bound_s)}"}} {within}'
        yield f'{self._name}_bucket{{le="+Inf"}} {count}'
        yield f"{self._name}_sum {_number(round(sum_s, 6))}"
        yield f"{self._name}_count {count}"


def exposition(metrics: Iterable[Metric | Histogram]) -> str:
    """The page that Prometheus reads."""
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def _head(name: str, kind: str, help: str) -> Iterable[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _labels(labels: Mapping[str, str]) -> str:
    """Values are device ids and states, which need no escape; what does is refused loudly."""
    for value in labels.values():
        if any(one in value for one in '\\"\n'):
            raise ValueError(f"{value!r} can't be a label")
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return f"{value:.15g}"
