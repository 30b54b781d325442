"""Put encoded frames together to clips that begin at key frames."""

from __future__ import annotations

from dataclasses import dataclass

from contract.annexb import access_units, nal_units
from device.sources.base import Footage


@dataclass(frozen=True)
class EncodedFrame:
    """One picture as the encoder gave it: Annex-B bytes and when it was exposed (monotonic)."""

    data: bytes
    key: bool
    start_ns: int
    end_ns: int


class Cutter:
    """Collects frames; gives a clip back when the key frame after its last frame has come. A clip
    has `frames_per_clip` frames, or as many more as it takes to that key frame.

    No frame is dropped between two clips. Frames before the first key frame can't be decoded
    and are left out. An encoder that gives its parameter sets only once gets them repeated.
    """

    def __init__(self, frames_per_clip: int) -> None:
        self._frames_per_clip = frames_per_clip
        self._frames: list[EncodedFrame] = []
        self._headers = b""

    def add(self, frame: EncodedFrame) -> Footage | None:
        """The clip that `frame` ends by beginning the next one, if it does."""
        if not frame.key:
            if self._frames:
                self._frames.append(frame)
            return None
        clip = None
        if len(self._frames) >= self._frames_per_clip:
            clip = self._clip()
            self._frames = []
        self._frames.append(frame)
        return clip

    def _clip(self) -> Footage:
        first, last = self._frames[0], self._frames[-1]
        data = b"".join(frame.data for frame in self._frames)
        unit = next(access_units(nal_units(first.data)), None)
        if unit is not None and unit.is_self_contained:
            self._headers = unit.parameter_sets
        else:
            data = self._headers + data
        return Footage(data, len(self._frames), first.start_ns, last.end_ns)
