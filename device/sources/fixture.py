"""A recorded Annex-B file, cut at its key frames and played at its real pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from contract.annexb import AccessUnit, access_units, nal_units
from contract.signatures import foreign_format
from device.sources.base import Footage, Source, SourceError, SourceOptions


@dataclass(frozen=True)
class Cut:
    """A clip's bytes in the file: `start` to `end`, `frames` pictures, first one a key frame.

    `headers` are parameter sets to put in front, for a file that gives them only once.
    """

    start: int
    end: int
    frames: int
    headers: bytes = b""


def cut_at_key_frames(stream: bytes, frames_per_clip: int) -> list[Cut]:
    """Cut `stream` into clips of at least `frames_per_clip` pictures, each from a key frame.

    A clip ends at the first key frame at or after that length; the last one may be shorter.
    Pictures before the first key frame can't be decoded and are left out.
    """
    cuts: list[Cut] = []
    headers = b""
    begun: AccessUnit | None = None
    missing = b""
    frames = end = 0
    for unit in access_units(nal_units(stream)):
        if unit.is_self_contained:
            headers = unit.parameter_sets
        if unit.is_key and (begun is None or frames >= frames_per_clip):
            if begun is not None:
                cuts.append(Cut(begun.start, unit.start, frames, missing))
            begun, frames = unit, 0
            missing = b"" if unit.is_self_contained else headers
        frames += 1
        end = unit.end
    if begun is not None:
        cuts.append(Cut(begun.start, end, frames, missing))
    return cuts


class FixtureSource(Source):
    """Plays a `.h264` file as if a camera recorded it now: same bytes, same pace.

    Nothing is transcoded: where the file repeats its parameter sets, the clips put together
    are the file again. Clip k appears when its last frame's time has passed; a late consumer
    gets the clips it missed at once, with the times they had.

    Raises
    ------
    SourceError
        When the file can't be read, is of another format, or has no H.264 key frame.
    """

    def __init__(
        self,
        path: str | Path,
        options: SourceOptions,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._path = Path(path)
        self._options = options
        self._monotonic_ns = monotonic_ns
        try:
            self._stream = self._path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"can't read {path}: {error.strerror}",
                "--source takes a .h264 file, picamera or webcam[:N]",
            ) from error
        if (found := foreign_format(self._stream)) is not None:
            raise SourceError(
                f"{path} is {found}, not H.264",
                f"`ffmpeg -i {self._path.name} -c:v libx264 -bsf:v h264_mp4toannexb out.h264` "
                "makes H.264 of it",
            )
        self.cuts = cut_at_key_frames(self._stream, options.frames_per_clip)
        if not self.cuts:
            raise SourceError(
                f"{path} has no H.264 key frame",
                "it must be raw Annex-B H.264, not MP4; `ffmpeg -i in.mp4 -c copy -bsf:v "
                "h264_mp4toannexb out.h264` makes one",
            )

    def __str__(self) -> str:
        loop = ", over and over" if self._options.loop else ""
        pace = "" if self._options.speed == 1 else f" at {self._options.speed:g} times its pace"
        return f"{self._path} ({len(self.cuts)} clips{loop}){pace}"

    def clips(self, stop: Event) -> Iterator[Footage]:
        frame_ns = 1e9 / (self._options.fps * self._options.speed)
        began = self._monotonic_ns()
        frame = 0
        while True:
            for cut in self.cuts:
                start = began + round(frame * frame_ns)
                frame += cut.frames
                end = began + round(frame * frame_ns)
                if stop.wait(max(0.0, (end - self._monotonic_ns()) / 1e9)):
                    return
                data = cut.headers + self._stream[cut.start : cut.end]
                yield Footage(data, cut.frames, start, end)
            if not self._options.loop:
                return
