"""Function processes that outlived what they belong to: found by their marker, and killed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable

import psutil

MARKER = "IMAGE_FUNCTIONS_ENVIRONMENT"
"""Environment variable of every function process: `<lab>/<environment>`."""


def kill_marked(markers: Iterable[str] | None = None, lab: str | None = None) -> list[int]:
    """Kill every process of ours that carries one of `markers`, or any marker of `lab`.

    Finds what left its process group or lost its parent, too. Returns the process ids.
    """
    wanted = frozenset(markers or ())
    killed: list[int] = []
    # Again while there was something: what was about to fork has left a child behind.
    while found := _marked(wanted, lab) - set(killed):
        for pid in found:
            # Not psutil's kill(): it refuses when the system's clock was set meanwhile.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed += found
    return killed


def _marked(markers: frozenset[str], lab: str | None) -> set[int]:
    found = set()
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            mine = os.getuid() in (0, process.uids().real)
            if pid == os.getpid() or not mine:
                continue
            marker = process.environ().get(MARKER)
        except psutil.Error:
            continue
        if marker is None:
            continue
        if marker in markers or (lab is not None and marker.partition("/")[0] == lab):
            found.add(pid)
    return found
