"""What every camera source is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from types import TracebackType

from device.errors import DeviceError


class SourceError(DeviceError):
    """A source can't be opened, or ended by a fault."""


@dataclass(frozen=True)
class SourceOptions:
    """How to record. A source ignores what it can't choose (a file has its own size)."""

    clip_seconds: float = 0.5
    fps: float = 30.0
    width: int = 640
    height: int = 480
    bitrate: int = 4_000_000
    rotation: int = 0  # degrees: 0 or 180
    focus_m: float | None = None  # distance in meters; None follows what is there
    loop: bool = False
    speed: float = 1.0  # how many times as fast as it was recorded; of a file

    @property
    def frames_per_clip(self) -> int:
        return max(1, round(self.clip_seconds * self.fps))


@dataclass(frozen=True)
class Footage:
    """One finished clip: Annex-B H.264 that decodes alone, beginning with SPS, PPS and IDR.

    `start_ns` is when its first frame's exposure began, `end_ns` when its last frame was
    over, both on the monotonic clock.
    """

    data: bytes
    frames: int
    start_ns: int
    end_ns: int


@contextmanager
def foreign(what: str, hint: str) -> Iterator[None]:
    """Around calls of a camera library: whatever it raises is one line with a hint.

    Raises
    ------
    SourceError
        When the library raised anything; drivers raise what they like.
    """
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{what}: {said}", hint) from error


class Source(ABC):
    """A camera, or something that behaves like one. Use it as a context manager."""

    @abstractmethod
    def clips(self, stop: Event) -> Iterator[Footage]:
        """Yield each clip as soon as its last frame is over; return soon after `stop` is set.

        A consumer that is slow for a while loses no frame.
        """

    @abstractmethod
    def __str__(self) -> str:
        """What a person calls it: `fixtures/lab.h264, 95 clips`."""

    def close(self) -> None:  # noqa: B027  most sources hold nothing
        """Give the camera back."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
