"""The output streams of a function process, read as they come."""

from __future__ import annotations

import os
import selectors
import threading

from localstack_image_functions.runtime.logs import OutputLog


class Pipes:
    """The output streams of one process. Kept apart, so that no lines are mixed."""

    def __init__(self, output: OutputLog) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._streams: dict[int, int] = {}
        write_ends = []
        for stream in (1, 2):
            read_end, write_end = os.pipe()
            os.set_blocking(read_end, False)
            self._selector.register(read_end, selectors.EVENT_READ)
            self._streams[read_end] = stream
            write_ends.append(write_end)
        self.stdout, self.stderr = write_ends

    def close_write_ends(self) -> None:
        os.close(self.stdout)
        os.close(self.stderr)

    def read_until_closed(self) -> None:
        while True:
            with self._lock:
                if not self._streams:
                    self._selector.close()
                    return
            # The limit is for streams that somebody else closed: nothing wakes us then.
            self._selector.select(timeout=1.0)
            self.drain()

    def drain(self) -> None:
        """Read all that is there now."""
        with self._lock:
            for read_end in list(self._streams):
                self._drain_one(read_end)

    def _drain_one(self, read_end: int) -> None:
        while True:
            try:
                data = os.read(read_end, 65_536)
            except BlockingIOError:
                return
            if not data:
                self._forget(read_end)
                return
            self._output.write(self._streams[read_end], data)

    def close(self) -> None:
        with self._lock:
            for read_end in list(self._streams):
                self._forget(read_end)

    def _forget(self, read_end: int) -> None:
        self._selector.unregister(read_end)
        del self._streams[read_end]
        os.close(read_end)
