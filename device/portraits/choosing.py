"""Choose pictures of one person, and store them as training and enrollment expect them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contract.crops import CROP_PX
from contract.people import person_id_of
from device.errors import DeviceError
from device.portraits.decoding import Picture
from device.portraits.faces import FaceFinder, FoundFace
from device.private_files import make_private_folder, write_private

MIN_FACE_PX = 80
MIN_SHARPNESS = 40.0
TRIED_PER_CLIP = 3


class PicturesUnwritable(DeviceError):
    """The folder for the pictures can't be made or written."""


@dataclass(frozen=True)
class Rules:
    """What a picture must be: `min_face_px` high, `min_sharpness` sharp (see `sharpness`)."""

    min_face_px: int = MIN_FACE_PX
    min_sharpness: float = MIN_SHARPNESS


@dataclass(frozen=True)
class Portrait:
    """A picture that was taken: whole, and cut out where the face is known."""

    original: Picture
    crop: Picture | None


@dataclass(frozen=True)
class Refused:
    """Why none of a clip's pictures was taken, in words to the person before the camera."""

    reason: str


def choose(
    pictures: Iterable[Picture], find: FaceFinder | None, rules: Rules
) -> Portrait | Refused:
    """The best picture of a clip, or why it has none.

    Some pictures of the clip are looked at, the sharpest first; finding faces takes longer.
    """
    every = list(pictures)
    step = max(1, len(every) // TRIED_PER_CLIP)
    tried = sorted(every[step // 2 :: step], key=Picture.sharpness, reverse=True)
    refused = Refused("no picture")
    for picture in tried:
        looked = _look(picture, find, rules)
        if isinstance(looked, Portrait):
            return looked
        refused = looked
    return refused


def _look(picture: Picture, find: FaceFinder | None, rules: Rules) -> Portrait | Refused:
    if find is None:
        return _sharp_enough(Portrait(picture, None), picture, rules)
    faces = find(picture)
    if reason := _unfit(faces, rules):
        return Refused(reason)
    crop = picture.cut_out(faces[0].crop(picture.width, picture.height), CROP_PX)
    return _sharp_enough(Portrait(picture, crop), crop, rules)


def _unfit(faces: list[FoundFace], rules: Rules) -> str | None:
    if not faces:
        return "no face: look at the camera, in even light"
    if turned_by := faces[0].turned_by:
        return (
            f"the face lies on its side or head: turn the camera's picture by {turned_by} degrees"
        )
    if len(faces) > 1:
        return f"{len(faces)} faces: only the one person, please"
    if faces[0].size_px < rules.min_face_px:
        return f"the face is {faces[0].size_px} px high, at least {rules.min_face_px}: come closer"
    return None


def _sharp_enough(portrait: Portrait, measured: Picture, rules: Rules) -> Portrait | Refused:
    sharpness = measured.sharpness()
    if sharpness < rules.min_sharpness:
        least = f"at least {rules.min_sharpness:.0f}"
        return Refused(f"blurred (sharpness {sharpness:.0f}, {least}): hold still")
    return portrait


class Session:
    """One sitting's folder: `DATA/<person>/<session>/{originals,crops}/0001.png`.

    Raises
    ------
    PicturesUnwritable
        When its folder can't be made or read.
    """

    def __init__(self, data: Path, name: str, session: str) -> None:
        self.folder = data / person_id_of(name) / session
        self._originals = self.folder / "originals"
        self._crops = self.folder / "crops"
        try:
            make_private_folder(self._originals)
            self._number = len(list(self._originals.glob("*.png")))
        except OSError as error:
            raise PicturesUnwritable(f"can't make {self.folder}: {error.strerror}") from error

    @property
    def originals(self) -> Path:
        return self._originals

    def save(self, portrait: Portrait) -> Path:
        """Write a portrait under the next number; return the original's path.

        Raises
        ------
        PicturesUnwritable
            When the disk does not take it.
        """
        self._number += 1
        name = f"{self._number:04d}.png"
        try:
            if portrait.crop is not None:
                make_private_folder(self._crops)
                write_private(self._crops / name, portrait.crop.png())
            write_private(self._originals / name, portrait.original.png())
        except OSError as error:
            raise PicturesUnwritable(f"can't write {name}: {error.strerror}") from error
        return self._originals / name
