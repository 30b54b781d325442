"""Where the time goes: what the answer waits for in each stage, added up over a clip."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Adds up durations by stage. Threads may share it, each with stages of its own."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is done within belongs to this stage, also when it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self._seconds[name] = self._seconds.get(name, 0.0) + spent

    def include(self, stages_ms: Mapping[str, float]) -> None:
        """Add what another watch has counted."""
        for name, spent_ms in stages_ms.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + spent_ms / 1000

    def milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1000, 2) for name, seconds in self._seconds.items()}
