"""What the device programs say: lines for people, or one JSON object a line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Lock
from typing import Any, TextIO

from contract.printable import json_line, printable


class Console:
    """Lines from several threads, whole and in order.

    With `as_json`, `event` prints objects and `say` is silent; otherwise the other way
    round. `log` is a file that gets everything that is printed. Whatever a line holds, it
    stays one line and does nothing to the terminal.
    """

    def __init__(
        self,
        as_json: bool = False,
        out: TextIO | None = None,
        log: TextIO | None = None,
    ) -> None:
        self._as_json = as_json
        self._out = out or sys.stdout
        self._log = log
        self._lock = Lock()
        self._ended: list[TextIO] = []
        self._failing: list[TextIO] = []

    def say(self, *lines: str) -> None:
        """Lines for people, printed together."""
        if lines and not self._as_json:
            self._print("\n".join(map(printable, lines)))

    def event(self, name: str, **fields: Any) -> None:
        """One JSON object: `{"event": name, …}`."""
        if self._as_json:
            self._print(json_line({"event": name, **fields}))

    def close(self) -> None:
        """Close the log. What a thread says later, in its last poll, goes to the output alone."""
        with self._lock:
            if self._log is not None and not _among(self._log, self._ended):
                self._ended.append(self._log)
                self._tried(self._log, self._log.close)

    def _print(self, text: str) -> None:
        with self._lock:
            for stream in (self._out, self._log):
                if stream is not None and not _among(stream, self._ended):
                    self._write(stream, text)

    def _write(self, stream: TextIO, text: str) -> None:
        def write() -> None:
            try:
                stream.write(text + "\n")
            except UnicodeEncodeError:  # a terminal of another encoding
                stream.write(text.encode("ascii", "backslashreplace").decode() + "\n")
            stream.flush()

        self._tried(stream, write)

    def _tried(self, stream: TextIO, call: Callable[[], None]) -> None:
        try:
            call()
        except BrokenPipeError:
            self._ended.append(stream)  # `| head` has seen enough; recording goes on
        except OSError as error:
            # A full disk, say: each line is tried again, and the trouble told once.
            if not _among(stream, self._failing):
                self._failing.append(stream)
                warn(f"can't write {getattr(stream, 'name', 'the output')}: {error.strerror}")
        else:
            self._failing = [one for one in self._failing if one is not stream]


def _among(stream: TextIO, streams: list[TextIO]) -> bool:
    return any(stream is one for one in streams)


def warn(text: str) -> None:
    """One line on stderr."""
    try:
        print(f"error: {printable(text)}", file=sys.stderr)
    except (OSError, ValueError):
        return  # nobody listens


def fail(error: Exception) -> int:
    """Tell an error in one line on stderr; return the exit status."""
    warn(str(error))
    return 2
