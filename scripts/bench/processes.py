"""What a process takes of memory and of a core."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

from scripts.lab.cpu import spent_s


def memory_mb(pids: Iterable[int]) -> dict[str, float]:
    """RSS and PSS (shared pages by halves; on Linux only) of processes, all together."""
    sums: dict[str, float] = {}
    for pid in pids:
        try:
            full = psutil.Process(pid).memory_full_info()
        except psutil.NoSuchProcess:
            continue
        for name in ("rss", "pss"):
            if hasattr(full, name):
                sums[name] = sums.get(name, 0) + getattr(full, name)
    return {name: round(value / 1e6, 1) for name, value in sums.items()}


class Cores:
    """Shares of a core since it was made, by name."""

    def __init__(self, groups: dict[str, list[int]]) -> None:
        self._groups = {
            name: [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
            for name, pids in groups.items()
        }
        self._began = time.monotonic()
        self._before = self._seconds()

    def percent(self) -> dict[str, float]:
        elapsed = time.monotonic() - self._began
        now = self._seconds()
        return {name: round(100 * (now[name] - self._before[name]) / elapsed, 2) for name in now}

    def _seconds(self) -> dict[str, float]:
        # With children that were waited for: a worker that came and went.
        return spent_s(self._groups, with_ended=True)
