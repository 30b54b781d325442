"""What the device did with each clip, and when: a span a line, in a file beside its spool.

`make trace` and the dashboard read the files. They hold clip ids and times and name nobody, so
that forgetting a person leaves nothing behind in them.
"""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from threading import Event, Thread
from typing import Any

from contract.spans import Span
from contract.traces import ClipTrace
from device.private_files import make_private_folder, open_private, write_all

# The newest of a run stay: some ten thousand clips in two files of each program.
MAX_BYTES = 4 * 2**20
MAX_WAITING = 10_000
FLUSH_S = 0.2


def span_file(folder: Path, device_id: str, program: str) -> Path:
    """Where `program` (camera, messages) of a device writes its spans."""
    return folder / device_id / f"spans.{program}.jsonl"


class SpanFile:
    """Appends spans to a file (`span_file`), in a thread of its own: nobody waits for the disk.

    What the disk does not take is let go: a trace is worth less than the room it needs.
    A full file is kept as `*.1`, and the one before that goes.
    """

    def __init__(self, path: Path | None, station: str, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._station = station
        self._max_bytes = max_bytes
        self._waiting: deque[str] = deque(maxlen=MAX_WAITING)
        self._closing = Event()
        self._thread: Thread | None = None

    def add(self, clip_id: str, name: str, start_ms: float, duration_ms: float) -> None:
        """A span of a clip. Never waits."""
        if self._path is None:
            return
        trace_id = ClipTrace.of(self._path.parent.name, clip_id).trace_id
        fields: dict[str, Any] = {
            "clip_id": clip_id,
            "trace_id": trace_id,
            "station": self._station,
        }
        fields |= Span(self._station, name, start_ms, max(0.0, duration_ms)).to_fields()
        self._waiting.append(json.dumps(fields, separators=(",", ":")))
        if self._thread is None:
            self._thread = Thread(target=self._run, name="spans", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what waits."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(FLUSH_S * 5)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._closing.wait(FLUSH_S)
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if lines:
                self._write("".join(line + "\n" for line in lines).encode("ascii"))

    def _write(self, lines: bytes) -> None:
        assert self._path is not None  # noqa: S101  `add` sees to that
        try:
            make_private_folder(self._path.parent)
            if self._path.exists() and self._path.stat().st_size > self._max_bytes:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            file = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                write_all(file, lines)
            finally:
                os.close(file)
        except OSError:
            return


NO_SPANS = SpanFile(None, "")
