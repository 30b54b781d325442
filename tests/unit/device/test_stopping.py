"""Clean-up that hangs in a driver must not hold up the end."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from device.stopping import within
from scripts.paths import ROOT

HANGING = """
import atexit, sys, threading
from device.stopping import end_with, within
forever = threading.Event()
assert not within(0.05, forever.wait)
atexit.register(forever.wait)  # as a driver's own clean-up
print("stored")
sys.exit(end_with(1))
"""


def test_a_program_whose_driver_hangs_ends_with_its_status_and_all_it_said():
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGING],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "stored\n")
    assert time.monotonic() - began < 30


def test_a_call_that_comes_back_is_in_time():
    assert within(30, lambda: None)


def test_what_a_call_raises_in_time_is_raised_here():
    def broken() -> None:
        raise RuntimeError("driver")

    with pytest.raises(RuntimeError, match="driver"):
        within(30, broken)
