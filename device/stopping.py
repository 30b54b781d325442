"""Ctrl-C and SIGTERM, told to every thread at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from threading import Event, Thread

from device.signals import tell_of_signals

_hanging: list[Thread] = []


def stop_on_signals() -> Event:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process at once."""
    stop = Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    tell_of_signals((signal.SIGINT, signal.SIGTERM), on_signal)
    return stop


def within(seconds: float, call: Callable[[], None]) -> bool:
    """Whether `call` came back in time; one that hangs is left behind, in a thread.

    Raises
    ------
    Exception
        When `call` raised it.
    """
    raised: list[Exception] = []

    def work() -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = Thread(target=work, name="within", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _hanging.append(thread)
        return False
    if raised:
        raise raised[0]
    return True


def end_with(status: int) -> int:
    """The exit status; ends the process at once where a driver hangs.

    Leaving normally would call the driver's own clean-up, and hang there as well.
    """
    if any(thread.is_alive() for thread in _hanging):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
    return status
