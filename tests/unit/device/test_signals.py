"""A signal ends a program whatever its main thread is about to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.paths import ROOT

PROGRAM = """
import os, signal, threading, time
from device.stopping import stop_on_signals
stop = stop_on_signals()
me = os.getpid()
{body}
print("stopped" if stop.wait(5) else "deaf")
"""

# What `stop.wait()` does before it sleeps: the signal finds the event's lock taken, by the very
# thread that Python runs the handler in.
INTERRUPTED_WHILE_IT_HOLDS_THE_LOCK = """
with stop._cond:
    os.kill(me, signal.SIGINT)
    for _ in range(1000):
        pass  # where Python runs handlers
"""

# A signal that comes between Python's last look and the system call wakes nobody; here it never
# does, since another thread is told of it.
ANOTHER_THREAD_IS_TOLD = """
def strike():
    time.sleep(0.3)  # the main thread sleeps by then; if not, Python hears in either way
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Event().wait(20)
threading.Thread(target=strike, daemon=True).start()
"""


@pytest.mark.parametrize(
    "body", [INTERRUPTED_WHILE_IT_HOLDS_THE_LOCK, ANOTHER_THREAD_IS_TOLD], ids=["lock", "asleep"]
)
def test_a_signal_that_comes_as_the_main_thread_goes_to_sleep_is_heard(body: str):
    assert _run(PROGRAM.format(body=body)) == (0, "stopped\n", "")


def test_the_second_signal_ends_a_program_that_can_not_stop():
    endless = "stop.wait(20); os.kill(me, signal.SIGTERM); threading.Event().wait(20)"
    body = f"os.kill(me, signal.SIGINT)\n{endless}"
    assert _run(PROGRAM.format(body=body)) == (128 + 15, "", "")


def _run(program: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=15, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
