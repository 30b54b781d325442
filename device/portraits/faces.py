"""Whether a picture shows one usable face: the lab's own eyes, where they are installed.

The device does not need them: without, whole pictures are kept and enrollment checks them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from device.errors import DeviceError
from device.portraits.decoding import Picture, Square

ROOT = Path(__file__).resolve().parents[2]
# Room around the face's box, so that a crop can be detected and aligned again.
MARGIN = 0.4


class NoFaceFinder(DeviceError):
    """The lab's recognition can't be used on this machine."""


@dataclass(frozen=True)
class FoundFace:
    """A face's place in a picture, px, and by how many degrees clockwise the picture must be turned
    for it to stand: then the place is somewhere in it."""

    top: int
    right: int
    bottom: int
    left: int
    turned_by: int = 0

    @property
    def size_px(self) -> int:
        return self.bottom - self.top

    def crop(self, width: int, height: int) -> Square:
        """The square around the face with a margin, moved and cut to lie in a picture of `width` ×
        `height` px."""
        side = round(max(self.size_px, self.right - self.left) * (1 + 2 * MARGIN))
        side = min(side, width, height)
        left = round((self.left + self.right - side) / 2)
        top = round((self.top + self.bottom - side) / 2)
        return Square(
            min(max(0, left), width - side),
            min(max(0, top), height - side),
            side,
        )


class FaceFinder(Protocol):
    """Finds every face in a picture, the largest first."""

    def __call__(self, picture: Picture) -> list[FoundFace]: ...


def lab_face_finder() -> FaceFinder:
    """The faces as the Lambda function would see them.

    Raises
    ------
    NoFaceFinder
        When the recognition package or its models are not on this machine.
    """
    recognizer = _lab_recognizer()

    def find(picture: Picture) -> list[FoundFace]:
        rgb = picture.rgb()
        boxes = [seen.box for seen in recognizer.observe(rgb)]
        if not boxes and (degrees := recognizer.turned_by(rgb)):
            return [FoundFace(0, picture.width, picture.height, 0, turned_by=degrees)]
        return [FoundFace(box.top, box.right, box.bottom, box.left) for box in boxes]

    return find


def lab_glance() -> Callable[[Picture], bool]:
    """Whether a picture has a face: one look, as the function takes at a clip's first picture.

    Raises
    ------
    NoFaceFinder
        When the recognition package or its models are not on this machine.
    """
    recognizer = _lab_recognizer()
    return lambda picture: bool(recognizer.look(picture.rgb()))


def _lab_recognizer() -> Any:
    try:
        from recognition import RecognitionError, load_recognizer

        return load_recognizer(ROOT / "build" / "models")
    except ImportError as error:
        raise NoFaceFinder(f"the lab's recognition is not installed here ({error.name})") from error
    except RecognitionError as error:
        raise NoFaceFinder(f"the lab's models are not here: {error}", "`make setup`") from error
