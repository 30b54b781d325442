"""A process that has ended has ended, reaped or not."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

from scripts.lab.ending import running_after


def test_one_that_nobody_has_reaped_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended; it is still there
    process = psutil.Process(child.pid)
    began = time.monotonic()
    assert running_after([process], 30) == []
    assert time.monotonic() - began < 5
    assert process.is_running()
    child.wait()


def test_one_that_runs_is_told_when_patience_ends() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        process = psutil.Process(child.pid)
        assert running_after([process], 0.05) == [process]
    finally:
        child.communicate()
    assert running_after([process], 30) == []
