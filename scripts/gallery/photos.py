"""Which photos of a person are fit for the gallery, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pictures import PictureRefused, Refusal, files_below, read_rgb
from recognition import Settings
from recognition.embedder import distances_between
from recognition.pose import HALF_TURNED, turn_of
from scripts.errors import LabError
from scripts.gallery.likeness import LIKENESS
from scripts.gallery.quality import PhotoQuality

MIN_FACE_PX = 60
MIN_BLUR = 20.0
FRAMES_OF_A_CLIP = 3
CLIP_SUFFIXES = {".h264", ".264"}
# A person's own folder has dozens; thousands are somebody's whole archive, named by mistake.
MAX_FILES = 2000


class NotPhotos(LabError):
    """What was named holds nobody's photos."""


class MixedFolder(LabError):
    """The photos show two people, and nothing tells which of them is meant."""


class Observer(Protocol):
    """What enrollment needs of the recognizer: faces in one RGB picture, uint8 [h, w, 3], and
    where there are none, by how many degrees clockwise it must be turned to show one."""

    def observe(self, image_rgb: np.ndarray) -> Sequence[Any]: ...

    def turned_by(self, image_rgb: np.ndarray) -> int | None: ...


@dataclass(frozen=True)
class EnrollmentPicture:
    """One RGB picture to enroll from; `source` is how a person knows it."""

    source: str
    image_rgb: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Examination:
    """Embeddings [n, 128] float32 of the pictures that were taken, how far each face is turned
    (`turn_of`), what was not taken, and each taken face's size (px) and sharpness."""

    sources: list[str]
    embeddings: np.ndarray
    turns: list[float]
    refusals: list[Refusal]
    qualities: list[tuple[int, float]] = field(default_factory=list)

    @property
    def missing_poses(self) -> list[str]:
        """Who is enrolled from the front alone is missed from the side."""
        seen = {
            "from the front": any(abs(turn) < HALF_TURNED for turn in self.turns),
            "turned to the left of the picture": min(self.turns, default=0) <= -HALF_TURNED,
            "turned to the right of the picture": max(self.turns, default=0) >= HALF_TURNED,
        }
        return [pose for pose, is_there in seen.items() if not is_there]

    @property
    def quality(self) -> PhotoQuality | None:
        """None where nothing was taken."""
        if not self.qualities:
            return None
        sizes_px, blurs = zip(*self.qualities, strict=True)
        return PhotoQuality.of(sizes_px, blurs, self.missing_poses)


def count_pictures(path: Path) -> int:
    """About how many pictures `read_pictures` gives, for an estimate."""
    files = (one for one in files_below(path) if isinstance(one, Path))
    return sum(FRAMES_OF_A_CLIP if one.suffix.lower() in CLIP_SUFFIXES else 1 for one in files)


def read_pictures(path: Path) -> Iterable[EnrollmentPicture | Refusal]:
    """Every picture below `path` (a folder or one file), and some frames of every clip, one at
    a time. What can't be taken comes as a refusal, so that one broken file stops nothing.

    Raises
    ------
    NotPhotos
        When there is no such path, or far more below it than one person's photos.
    """
    if not path.exists():
        raise NotPhotos(f"there is no {path}", "PHOTOS= takes a folder or a file")
    for number, found in enumerate(files_below(path), 1):
        if number > MAX_FILES:
            raise NotPhotos(
                f"{path} holds more than {MAX_FILES} files", "name the person's own folder"
            )
        if isinstance(found, Refusal):
            yield found
        elif found.suffix.lower() in CLIP_SUFFIXES:
            yield from _read_clip(found, _source(path, found))
        else:
            yield _read_photo(found, _source(path, found))


def _source(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file != root else file.name


def _read_photo(file: Path, source: str) -> EnrollmentPicture | Refusal:
    try:
        return EnrollmentPicture(source, read_rgb(file))
    except PictureRefused as error:
        return Refusal(source, str(error))


def _read_clip(file: Path, source: str) -> Iterable[EnrollmentPicture | Refusal]:
    from recognition import Clip, ClipRejected

    settings = Settings()
    try:
        size = file.stat().st_size
        if size > settings.max_clip_bytes:
            yield Refusal(source, f"{size} bytes, at most {settings.max_clip_bytes}: cut it")
            return
        for frame in Clip(file.read_bytes(), settings).frames(FRAMES_OF_A_CLIP):
            yield EnrollmentPicture(f"{source}#{frame.index}", frame.to_rgb())
    except (ClipRejected, OSError) as error:
        yield Refusal(source, str(error))
    except Exception as error:  # whatever the decoder's library raises
        yield Refusal(source, f"can't be decoded: {error or type(error).__name__}")


def examine(pictures: Iterable[EnrollmentPicture | Refusal], observer: Observer) -> Examination:
    """Take the pictures that show exactly one clear face, the same one in all of them.

    Raises
    ------
    MixedFolder
        When two people each have several of them.
    """
    sources: list[str] = []
    embeddings: list[np.ndarray] = []
    turns: dict[str, float] = {}
    qualities: dict[str, tuple[int, float]] = {}
    refusals: list[Refusal] = []
    for picture in pictures:
        if isinstance(picture, Refusal):
            refusals.append(picture)
            continue
        faces = observer.observe(picture.image_rgb)
        reason = _unfit(faces) if faces else _without_face(picture, observer)
        if reason:
            refusals.append(Refusal(picture.source, reason))
        else:
            sources.append(picture.source)
            embeddings.append(np.asarray(faces[0].embedding, np.float32))
            turns[picture.source] = turn_of(faces[0].landmarks)
            seen = faces[0].quality
            qualities[picture.source] = (int(seen.size_px), float(seen.blur))
    taken = _without_outliers(sources, embeddings, refusals)
    stacked = np.stack(taken) if taken else np.empty((0, 128), np.float32)
    return Examination(
        sources,
        stacked,
        [turns[one] for one in sources],
        refusals,
        [qualities[one] for one in sources],
    )


def _without_face(picture: EnrollmentPicture, observer: Observer) -> str:
    degrees = observer.turned_by(picture.image_rgb)
    if degrees is not None:
        return f"a face lies on its side or head: turn the picture by {degrees} degrees clockwise"
    return "no face found: take one from the front, in even light"


def _unfit(faces: Sequence[Any]) -> str | None:
    if len(faces) > 1:
        return f"{len(faces)} faces: cut out the one that is meant"
    quality = faces[0].quality
    if quality.size_px < MIN_FACE_PX:
        return f"the face is {quality.size_px} px high, take at least {MIN_FACE_PX}"
    if quality.blur < MIN_BLUR:
        return f"blurred (sharpness {quality.blur:.0f}, at least {MIN_BLUR:.0f}): hold still"
    return None


def _check_one_person(sources: list[str], embeddings: list[np.ndarray]) -> None:
    """Two groups, each of pictures that agree with each other and not with the other group."""
    groups = groups_of_alike(np.stack(embeddings)) if embeddings else []
    if len(groups) > 1 and len(groups[1]) > 1 and len(groups[1]) * 4 >= len(sources):
        some = [", ".join(sources[index] for index in group[:5]) for group in groups[:2]]
        raise MixedFolder(
            f"the photos show two people: {some[0]} … and {some[1]} …",
            "a folder for each of them, then enroll one after the other",
        )


def groups_of_alike(embeddings: np.ndarray) -> list[list[int]]:
    """Indices of embeddings, float32 [n, 128], grouped by person, the largest group first.

    Average linkage: a single picture between two people does not join them.
    """
    distances = distances_between(embeddings, embeddings)
    groups = [[index] for index in range(len(embeddings))]
    while len(groups) > 1:
        between, a, b = min(
            (float(distances[np.ix_(groups[a], groups[b])].mean()), a, b)
            for a in range(len(groups))
            for b in range(a)
        )
        if between > LIKENESS.same:
            break
        groups[b] += groups.pop(a)
    return sorted((sorted(group) for group in groups), key=len, reverse=True)


def _without_outliers(
    sources: list[str], embeddings: list[np.ndarray], refusals: list[Refusal]
) -> list[np.ndarray]:
    """Drop, worst first, pictures whose median distance to the others is another person's.

    All three lists are changed; the embeddings that stay are given back. With two pictures
    that disagree nobody knows which is wrong: both are refused.
    """
    _check_one_person(sources, embeddings)
    while len(embeddings) > 1:
        stacked = np.stack(embeddings)
        distances = distances_between(stacked, stacked)
        others = ~np.eye(len(distances), dtype=bool)
        typical = np.array(
            [np.median(row[mask]) for row, mask in zip(distances, others, strict=True)]
        )
        worst = int(typical.argmax())
        if typical[worst] <= LIKENESS.same:
            break
        reason = f"does not look like the others (distance {typical[worst]:.2f})"
        doomed = range(2) if len(distances) == 2 else [worst]
        for index in sorted(doomed, reverse=True):
            refusals.append(Refusal(sources.pop(index), reason))
            embeddings.pop(index)
    return embeddings
