"""Signals, told in a thread of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from threading import Thread


def tell_of_signals(numbers: Iterable[int], told: Callable[[int], None]) -> None:
    """Call `told(number)` for each signal that comes, in a thread that waits for nothing else.

    Python runs a signal's handler in the middle of whatever the main thread does. There, an
    `Event` that the main thread was just about to wait for can't be set: its lock is taken, by
    the thread that the handler runs in. And a main thread that is on its way into a wait does
    not run the handler at all until something else wakes it. A byte in a pipe knows neither.

    To be called in the main thread.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in numbers:
        signal.signal(number, _heard)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    Thread(target=_listen, args=(reading, told), name="signals", daemon=True).start()


def _heard(_number: int, _frame: object) -> None:
    """Python's part; the number is in the pipe already."""


def _listen(reading: int, told: Callable[[int], None]) -> None:
    while numbers := os.read(reading, 64):
        for number in numbers:
            told(number)
