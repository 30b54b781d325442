"""Ctrl-C and SIGTERM, told to every thread at once."""

from __future__ import annotations

import os
import signal
from threading import Event


def stop_on_signals() -> Event:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process at once."""
    stop = Event()

    def on_signal(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return stop
