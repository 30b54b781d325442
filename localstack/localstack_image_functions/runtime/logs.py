"""The function's output, gathered by whole lines."""

from __future__ import annotations

import threading

MAX_BYTES = 8 * 1024 * 1024
NOTES = -1
"""The stream of what is said of the function, beside its own."""


class OutputLog:
    """What one environment wrote to its output streams since somebody last asked.

    Streams are kept apart until a line is complete: an unbuffered `print` writes text and
    newline in two pieces, and another stream's line must not fall between them.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._lines = bytearray()
        self._unfinished: dict[int, bytes] = {}
        self._max_bytes = max_bytes
        self._dropped = 0

    def write(self, stream: int, data: bytes) -> None:
        """Take what arrived on `stream` (any number that tells streams apart)."""
        with self._lock:
            done, newline, rest = (self._unfinished.pop(stream, b"") + data).rpartition(b"\n")
            if len(rest) > self._max_bytes:
                done, newline, rest = done + newline + rest, b"\n", b""
            if rest:
                self._unfinished[stream] = rest
            self._keep(done + newline)

    def take(self) -> str:
        """Everything so far, also lines without their end yet; each ends with a newline."""
        with self._lock:
            for rest in self._unfinished.values():
                self._keep(rest + b"\n")
            self._unfinished.clear()
            if self._dropped:
                self._lines += b"[%d bytes of output dropped here]\n" % self._dropped
            text = self._lines.decode(errors="replace")
            self._lines.clear()
            self._dropped = 0
            return text

    def _keep(self, data: bytes) -> None:
        room = self._max_bytes - len(self._lines)
        if len(data) <= room:
            self._lines += data
        else:
            self._dropped += len(data)
