"""How much memory function processes use, sampled while they run."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Protocol

import psutil

MEMORY_SAMPLE_S = 0.05


class Measured(Protocol):
    """What the watch samples."""

    def measure(self) -> None:
        """Sample the memory; kill what is over its limit."""


class MemoryWatch:
    """Samples the memory of every running sandbox. Sleeps while all are frozen."""

    def __init__(self) -> None:
        self._running: set[Measured] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, sandbox: Measured) -> None:
        with self._changed:
            self._running.add(sandbox)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="function-memory", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def remove(self, sandbox: Measured) -> None:
        with self._changed:
            self._running.discard(sandbox)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
                self._changed.wait(MEMORY_SAMPLE_S)
                sandboxes = list(self._running)
            for sandbox in sandboxes:
                sandbox.measure()


memory_watch = MemoryWatch()


def used_bytes(pid: int, limit_bytes: int) -> int:
    """The memory of a process and all its descendants: now, or the process's own peak.

    Pages that several of them share count for each, unless that alone is over the limit:
    then each counts its part of them, which takes longer to find out.

    Raises
    ------
    psutil.Error, OSError
        When it, or a child of it, has just ended.
    """
    process = psutil.Process(pid)
    family = (process, *_descendants(process))
    used = sum(_resident_bytes(member) for member in family)
    if used > limit_bytes and len(family) > 1:
        used = sum(_proportional_bytes(member.pid) for member in family)
    return max(used, _resident_peak_bytes(pid))


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    """All descendants. psutil would read every process of the machine for it."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.is_dir():
        return process.children(recursive=True)
    found = []
    for task in tasks.iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for pid in children:
            with contextlib.suppress(psutil.Error):
                child = psutil.Process(int(pid))
                found += [child, *_descendants(child)]
    return found


def _resident_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def _proportional_bytes(pid: int) -> int:
    """Its own pages, and of each page that it shares the share; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _resident_peak_bytes(pid: int) -> int:
    """The kernel's own high-water mark, which no sampling misses; 0 where there is none."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
