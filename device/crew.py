"""The worker threads of a program: none of them ends without the program knowing."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from threading import Thread

# The exit status of a program that ended because a thread of it did. `facelab --help` has all of
# them; this is EX_SOFTWARE, by which name systemd tells it.
FAULT_STATUS = 70

Failed = Callable[[str, str], None]


class Crew:
    """Starts threads; `failed(name, why)` is called when one of them ends by an error.

    `why` is the error and where it happened. A worker is to handle what can be expected of
    the world itself; what arrives here is a fault of ours, and the program has to end.
    """

    def __init__(self, failed: Failed) -> None:
        self._failed = failed
        self._threads: list[Thread] = []

    def start(self, name: str, work: Callable[[], None]) -> Thread:
        """Run `work` in a thread that does not hold up the end of the program."""
        thread = Thread(target=self._run, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def join(self, timeout_s: float) -> None:
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except (Exception, SystemExit) as error:  # a library may want to exit
            self._failed(name, describe(error))


def describe(error: BaseException) -> str:
    """An unforeseen error in one line: what it is and where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
