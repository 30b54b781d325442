"""A dataset on disk: one folder per person, a folder per session below it where there are any.

`Data/ada-lovelace/2026-11-22/0001.png`: the person is the first folder, the session the next.
Nothing is decoded here but by `read_picture`.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.people import InvalidName, person_id_of
from pictures import PictureRefused, Refusal, find_pictures, read_rgb
from training.tree import ToolError, check_folder, say_refused

_NOISE = re.compile(r"-noise-\d+$")
# Kinds of pictures, not sessions: `pictures.py` keeps crops and originals apart by folder.
_CROPS, _ORIGINALS = "crops", "originals"


class DatasetError(ToolError):
    """The dataset can't be used; the message says what it lacks."""


class NoPeople(DatasetError):
    """No folder with pictures in it: the tree must be DATA/<person>/<picture>."""


class SamePerson(DatasetError):
    """Two folders that would become the same person."""


class NamelessFolder(DatasetError):
    """A folder whose name can't be a person's."""


class UnreadablePicture(DatasetError):
    """A file that has a picture's name but no picture in it."""


@dataclass(frozen=True)
class DatasetPicture:
    """A file of the dataset.

    `family` is shared by pictures that show the very same moment (a JPG and the PNG made of
    it, noisy copies): they must never lie on both sides of a split.
    """

    path: Path
    person_id: str
    session: str | None
    family: str
    is_noisy_copy: bool


def read_tree(
    tree: Path, refused: Callable[[Refusal], None] = say_refused
) -> dict[str, list[DatasetPicture]]:
    """The pictures below `tree` by person id, both sorted; people without pictures are left out.

    Every file that is no picture of somebody goes to `refused`, with the reason.

    Raises
    ------
    NoPeople, SamePerson, NamelessFolder, NotAFolder
    """
    people: dict[str, list[DatasetPicture]] = defaultdict(list)
    folders: dict[str, str] = {}
    for found in find_pictures(check_folder(tree)):
        if isinstance(found, Refusal):
            refused(found)
            continue
        inner = found.relative_to(tree).parts
        if len(inner) < 2:
            refused(Refusal(inner[0], "in no person's folder"))
            continue
        person = _person_of(inner[0])
        if folders.setdefault(person, inner[0]) != inner[0]:
            raise SamePerson(
                f"folders {folders[person]!r} and {inner[0]!r} are both {person!r}: rename one"
            )
        people[person].append(_picture(found, person, inner[1:-1]))
    if not people:
        raise NoPeople(f"{tree} holds no DATA/<person>/<picture>")
    return {
        person: _one_of_each(sorted(people[person], key=lambda one: one.path))
        for person in sorted(people)
    }


def _person_of(folder: str) -> str:
    try:
        return person_id_of(folder)
    except InvalidName as error:
        raise NamelessFolder(f"folder {folder!r}: {error}: rename it") from error


def _picture(path: Path, person: str, folders: tuple[str, ...]) -> DatasetPicture:
    sessions = [folder for folder in folders if folder not in (_CROPS, _ORIGINALS)]
    session = "/".join(sessions) or None
    stem = _NOISE.sub("", path.stem)
    return DatasetPicture(
        path=path,
        person_id=person,
        session=session,
        family="/".join([*sessions, stem]),
        is_noisy_copy=stem != path.stem,
    )


def _one_of_each(pictures: list[DatasetPicture]) -> list[DatasetPicture]:
    """Of pictures that differ in format or crop only, the one with most in it."""
    best: dict[tuple[str, str], DatasetPicture] = {}
    for picture in pictures:
        key = (picture.family, picture.path.stem)
        if key not in best or _rank(picture.path) < _rank(best[key].path):
            best[key] = picture
    return list(best.values())


def _rank(path: Path) -> tuple[bool, bool]:
    return (path.parent.name == _CROPS, path.suffix.lower() != ".png")


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 [height, width, 3], upright; gray, deep and transparent ones included.

    Raises
    ------
    UnreadablePicture
    """
    try:
        return read_rgb(path)
    except PictureRefused as error:
        raise UnreadablePicture(f"{path}: {error}") from error


def order(names: Iterable[str], seed: int) -> list[str]:
    """`names` shuffled the same way for the same seed, whatever else is in the list."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())


def split_validation(
    pictures: Sequence[DatasetPicture], share: float, seed: int, part: int = 0
) -> tuple[list[DatasetPicture], list[DatasetPicture]]:
    """One person's pictures as (train, validation).

    Whole sessions are held out where there are at least two, else whole families. A person
    of one picture has it in train and nothing to validate with. Noisy copies only train.
    Each `part` holds out others, as long as there are any.
    """
    by_session = len({picture.session for picture in pictures}) >= 2

    def group(picture: DatasetPicture) -> str:
        return str(picture.session) if by_session else picture.family

    groups = order({group(picture) for picture in pictures}, seed)
    held_out_count = min(len(groups) - 1, max(1, round(share * len(groups)))) if share else 0
    turns = part * held_out_count % len(groups) if groups else 0
    held_out = set((groups[turns:] + groups[:turns])[:held_out_count])
    train = [picture for picture in pictures if group(picture) not in held_out]
    validation = [
        picture for picture in pictures if group(picture) in held_out and not picture.is_noisy_copy
    ]
    return train, validation
