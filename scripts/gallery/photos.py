"""Which photos of a person are fit for the gallery, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

MIN_FACE_PX = 60
MIN_BLUR = 20.0
# Two photos of one person lie below 0.6 (face_recognition's tolerance); above it, one of them
# shows somebody else.
MAX_DISTANCE_TO_OTHERS = 0.6
FRAMES_OF_A_CLIP = 3
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm"}
CLIP_SUFFIX = ".h264"


class Observer(Protocol):
    """What enrolment needs of the recogniser: faces in one RGB picture, uint8 [h, w, 3]."""

    def observe(self, image_rgb: np.ndarray) -> Sequence[Any]: ...


@dataclass(frozen=True)
class Picture:
    """One RGB picture to enrol from; `source` is how a person knows it."""

    source: str
    image_rgb: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """A picture that was not taken, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Examination:
    """Embeddings [n, 128] float32 of the pictures that were taken, and what was not."""

    sources: list[str]
    embeddings: np.ndarray
    refusals: list[Refusal]


def read_pictures(path: Path) -> Iterable[Picture | Refusal]:
    """Every picture below `path` (a folder or one file), and some frames of every clip.

    What can't be read comes as a refusal, so that one broken file stops nothing.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        suffix = file.suffix.lower()
        if suffix in PHOTO_SUFFIXES:
            yield _read_photo(file)
        elif suffix == CLIP_SUFFIX:
            yield from _read_clip(file)


def _read_photo(file: Path) -> Picture | Refusal:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            # Phones store portraits lying on their side with a note to turn them.
            upright = ImageOps.exif_transpose(image).convert("RGB")
            return Picture(file.name, np.asarray(upright))
    except (OSError, UnidentifiedImageError, ValueError) as error:
        return Refusal(file.name, f"can't be read as a picture: {error}")


def _read_clip(file: Path) -> Iterable[Picture | Refusal]:
    from recognition import Clip, ClipRejected, Settings

    try:
        for frame in Clip(file.read_bytes(), Settings()).frames(FRAMES_OF_A_CLIP):
            yield Picture(f"{file.name}#{frame.index}", frame.to_rgb())
    except ClipRejected as error:
        yield Refusal(file.name, str(error))


def examine(pictures: Iterable[Picture | Refusal], observer: Observer) -> Examination:
    """Take the pictures that show exactly one clear face, the same one in all of them."""
    sources: list[str] = []
    embeddings: list[np.ndarray] = []
    refusals: list[Refusal] = []
    for picture in pictures:
        if isinstance(picture, Refusal):
            refusals.append(picture)
            continue
        faces = observer.observe(picture.image_rgb)
        if reason := _unfit(faces):
            refusals.append(Refusal(picture.source, reason))
        else:
            sources.append(picture.source)
            embeddings.append(np.asarray(faces[0].embedding, np.float32))
    return _without_outliers(sources, embeddings, refusals)


def _unfit(faces: Sequence[Any]) -> str | None:
    if not faces:
        return "no face found: take one from the front, in even light"
    if len(faces) > 1:
        return f"{len(faces)} faces: cut out the one that is meant"
    quality = faces[0].quality
    if quality.size_px < MIN_FACE_PX:
        return f"the face is {quality.size_px} px high, take at least {MIN_FACE_PX}"
    if quality.blur < MIN_BLUR:
        return f"blurred (sharpness {quality.blur:.0f}, at least {MIN_BLUR:.0f}): hold still"
    return None


def _without_outliers(
    sources: list[str], embeddings: list[np.ndarray], refusals: list[Refusal]
) -> Examination:
    """Drop, worst first, pictures whose median distance to the others is another person's.

    With two pictures that disagree nobody knows which is wrong: both are refused.
    """
    while len(embeddings) > 1:
        stack = np.stack(embeddings)
        distances = np.linalg.norm(stack[:, None] - stack[None], axis=2)
        others = ~np.eye(len(stack), dtype=bool)
        typical = np.array(
            [np.median(row[mask]) for row, mask in zip(distances, others, strict=True)]
        )
        worst = int(typical.argmax())
        if typical[worst] <= MAX_DISTANCE_TO_OTHERS:
            break
        reason = f"does not look like the others (distance {typical[worst]:.2f})"
        doomed = range(len(stack)) if len(stack) == 2 else [worst]
        for index in sorted(doomed, reverse=True):
            refusals.append(Refusal(sources.pop(index), reason))
            embeddings.pop(index)
    stacked = np.stack(embeddings) if embeddings else np.empty((0, 128), np.float32)
    return Examination(sources, stacked, refusals)
