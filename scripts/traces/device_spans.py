"""The spans of devices that run on this machine, by clip: files that are read as they grow."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import BinaryIO

from contract.spans import Span
from device.spans import span_file

PROGRAMS = ("camera", "messages")
MOST_CLIPS = 10_000
_MOST_BYTES = 8 * 2**20
# Of a span: which station and name it has, its start and duration in ms.
_SPAN = struct.Struct("<Bdd")
_MOST_KINDS = 256


class DeviceSpans:
    """Spans by device and clip. `folder` is None where devices write none here."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._offsets: dict[Path, tuple[int, int]] = {}
        # By device and clip, packed: thousands of clips are kept.
        self._spans: dict[str, bytes] = {}
        self._kinds: list[tuple[str, str]] = []

    def devices(self) -> list[str]:
        """Devices that have written spans here."""
        if self._folder is None or not self._folder.is_dir():
            return []
        files = self._folder.glob("*/spans.*.jsonl")
        return sorted({path.parent.name for path in files})

    def refresh(self) -> bool:
        """Read what was added since the last call; whether there was anything."""
        grew = False
        for device_id in self.devices():
            for program in PROGRAMS:
                assert self._folder is not None  # noqa: S101  there are devices
                path = span_file(self._folder, device_id, program)
                for file in (path.with_name(path.name + ".1"), path):
                    grew = self._read(file, device_id) or grew
        return grew

    def of(self, device_id: str, clip_id: str) -> list[Span]:
        return self._unpacked(self._spans.get(_place(device_id, clip_id), b""))

    def of_device(self, device_id: str) -> dict[str, list[Span]]:
        """All of a device's, by clip."""
        beginning = _place(device_id, "")
        return {
            place.removeprefix(beginning): self._unpacked(spans)
            for place, spans in self._spans.items()
            if place.startswith(beginning)
        }

    def last_seen_ms(self, device_id: str) -> float | None:
        """When the device last did something with a clip."""
        beginning = _place(device_id, "")
        for place, spans in reversed(self._spans.items()):
            if place.startswith(beginning):
                return max(span.end_ms for span in self._unpacked(spans))
        return None

    def _read(self, path: Path, device_id: str) -> bool:
        try:
            with path.open("rb") as file:
                found = path.stat()
                inode, offset = self._offsets.get(path, (found.st_ino, 0))
                if inode != found.st_ino or found.st_size < offset:
                    offset = 0  # another file has its name now
                began = max(offset, found.st_size - _MOST_BYTES)
                file.seek(began)
                ended = self._take_lines(file, began, device_id)
        except OSError:
            return False
        self._offsets[path] = (found.st_ino, ended)
        return ended > began

    def _take_lines(self, file: BinaryIO, at: int, device_id: str) -> int:
        """Where the last whole line ends. Line by line: memory for the file in one piece would
        not all go back to the system."""
        while (line := file.readline(_MOST_BYTES)).endswith(b"\n"):
            at += len(line)
            self._take(line, device_id)
        return at

    def _take(self, line: bytes, device_id: str) -> None:
        try:
            fields = json.loads(line)
            clip_id, station = fields["clip_id"], fields["station"]
        except (KeyError, TypeError, ValueError):
            return
        span = Span.from_fields(station, fields)
        if span is None or station not in PROGRAMS or not isinstance(clip_id, str):
            return
        place = _place(device_id, clip_id)
        before = self._spans.get(place, b"")
        packed = self._packed(span)
        if span not in self._unpacked(before):  # a file that was moved aside is read again
            self._spans[place] = before + packed
        if len(self._spans) > MOST_CLIPS:
            del self._spans[next(iter(self._spans))]

    def _packed(self, span: Span) -> bytes:
        """Nothing for a span of one kind too many: our programs know a dozen."""
        kind = (span.station, span.name)
        if kind not in self._kinds:
            if len(self._kinds) == _MOST_KINDS:
                return b""
            self._kinds.append(kind)
        return _SPAN.pack(self._kinds.index(kind), span.start_ms, span.duration_ms)

    def _unpacked(self, spans: bytes) -> list[Span]:
        return [Span(*self._kinds[kind], *times) for kind, *times in _SPAN.iter_unpack(spans)]


def _place(device_id: str, clip_id: str) -> str:
    return f"{device_id}/{clip_id}"
