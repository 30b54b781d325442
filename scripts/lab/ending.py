"""Whether processes have ended, whoever is to be told of it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

LOOK_EVERY_S = 0.01


def running_after(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Those that still run when all have ended, or patience has.

    One that has ended stays in the process table until its parent asks for it, and the parent of
    a lab's processes is the system's first one, which here and there takes a second.
    """
    deadline = time.monotonic() + patience_s
    while (left := [one for one in processes if _runs(one)]) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)  # between looks, with a deadline
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
