"""How much memory function processes use, sampled while they run."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Protocol

import psutil

MEMORY_SAMPLE_S = 0.05
_HAS_PROC = Path("/proc/self/task").is_dir()
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MOST_BYTES = 1 << 16


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
    family = (pid, *_descendants(pid))
    used = _resident_bytes(pid)
    for member in family[1:]:
        with contextlib.suppress(psutil.Error, OSError):
            used += _resident_bytes(member)
    if used > limit_bytes and len(family) > 1:
        used = sum(_proportional_bytes(member) for member in family)
    return max(used, _resident_peak_bytes(pid))


def _descendants(pid: int) -> list[int]:
    """All descendants. psutil would read every process of the machine for it."""
    tasks = f"/proc/{pid}/task"
    if not _HAS_PROC:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    found = []
    for task in os.listdir(tasks):  # noqa: PTH208  see `_read`
        with contextlib.suppress(OSError):
            for child in map(int, _read(f"{tasks}/{task}/children").split()):
                found.append(child)
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    found += _descendants(child)
    return found


def _resident_bytes(pid: int) -> int:
    if not _HAS_PROC:
        return psutil.Process(pid).memory_info().rss
    return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE_BYTES


def _read(path: str) -> bytes:
    """A small file of /proc, at a tenth of what pathlib takes: twenty times a second, for each
    thread of each function."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, _MOST_BYTES)
    finally:
        os.close(file)


def _proportional_bytes(pid: int) -> int:
    """Its own pages, and of each page that it shares the share; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _resident_peak_bytes(pid: int) -> int:
    """The kernel's own high-water mark, which no sampling misses; 0 where there is none."""
    with contextlib.suppress(OSError):
        _, name, rest = _read(f"/proc/{pid}/status").partition(b"VmHWM:")
        return int(rest.split(maxsplit=1)[0]) * 1024 if name else 0
    return 0
