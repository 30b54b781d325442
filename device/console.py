"""What the device programs say: lines for people, or one JSON object a line."""

from __future__ import annotations

import json
import sys
from threading import Lock
from typing import Any, TextIO


class Console:
    """Lines from several threads, whole and in order.

    With `as_json`, `event` prints objects and `say` is silent; otherwise the other way
    round. `log` is a file that gets everything that is printed.
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
        self._closed = False
        self.interactive = not as_json and self._out.isatty()

    def say(self, *lines: str) -> None:
        """Lines for people, printed together."""
        if lines and not self._as_json:
            self._print("\n".join(lines))

    def event(self, name: str, **fields: Any) -> None:
        """One JSON object: `{"event": name, …}`."""
        if self._as_json:
            line = {"event": name, **fields}
            self._print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))

    def _print(self, text: str) -> None:
        with self._lock:
            for stream in (self._out, self._log):
                if stream is None or (self._closed and stream is self._out):
                    continue
                try:
                    stream.write(text + "\n")
                    stream.flush()
                except BrokenPipeError:
                    # `| head` has seen enough. Recording goes on.
                    self._closed = True


def fail(error: Exception) -> int:
    """Tell an error in one line on stderr; return the exit status."""
    print(f"error: {error}", file=sys.stderr)
    return 2
