"""The spans of devices that run on this machine, by clip: files that are read as they grow."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

from contract.spans import Span
from device.spans import span_file

PROGRAMS = ("camera", "messages")
MOST_CLIPS = 10_000
_MOST_BYTES = 8 * 2**20


class DeviceSpans:
    """Spans by device and clip. `folder` is None where devices write none here."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._offsets: dict[Path, tuple[int, int]] = {}
        # (station, name, start, duration) of each span, flat: thousands of clips are kept.
        self._spans: OrderedDict[tuple[str, str], tuple[Any, ...]] = OrderedDict()

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
        return _unfolded(self._spans.get((device_id, clip_id), ()))

    def of_device(self, device_id: str) -> dict[str, list[Span]]:
        """All of a device's, by clip."""
        return {
            clip_id: _unfolded(spans)
            for (device, clip_id), spans in self._spans.items()
            if device == device_id
        }

    def last_seen_ms(self, device_id: str) -> float | None:
        """When the device last did something with a clip."""
        for (device, _), spans in reversed(self._spans.items()):
            if device == device_id:
                return max(span.end_ms for span in _unfolded(spans))
        return None

    def _read(self, path: Path, device_id: str) -> bool:
        try:
            with path.open("rb") as file:
                found = path.stat()
                inode, offset = self._offsets.get(path, (found.st_ino, 0))
                if inode != found.st_ino or found.st_size < offset:
                    offset = 0  # another file has its name now
                if found.st_size == offset:
                    return False
                file.seek(max(offset, found.st_size - _MOST_BYTES))
                data = file.read(_MOST_BYTES)
                start = file.tell() - len(data)
        except OSError:
            return False
        whole = data[: data.rfind(b"\n") + 1]
        self._offsets[path] = (found.st_ino, start + len(whole))
        for line in whole.splitlines():
            self._take(line, device_id)
        return bool(whole)

    def _take(self, line: bytes, device_id: str) -> None:
        try:
            fields = json.loads(line)
            clip_id, station = fields["clip_id"], fields["station"]
        except (KeyError, TypeError, ValueError):
            return
        span = Span.from_fields(station, fields)
        if span is None or station not in PROGRAMS or not isinstance(clip_id, str):
            return
        of_clip = (device_id, clip_id)
        before = self._spans.get(of_clip, ())
        if span not in _unfolded(before):  # a file that was moved aside is read again
            folded = (span.station, span.name, span.start_ms, span.duration_ms)
            self._spans[of_clip] = before + folded
        if len(self._spans) > MOST_CLIPS:
            self._spans.popitem(last=False)


def _unfolded(spans: tuple[Any, ...]) -> list[Span]:
    return [Span(*spans[at : at + 4]) for at in range(0, len(spans), 4)]
