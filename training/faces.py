"""From a dataset's pictures to faces, through the very functions that inference uses."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from recognition import FaceObservation, Recognizer
from training.dataset import DatasetError, DatasetPicture, read_picture
from training.face_cache import FaceCache
from training.progress import progress

# Photo archives cut faces so tightly that no detector trained on scenes finds them.
_BORDER_SHARE = 0.25
_ENLARGED_SIDE_PX = 400
_LARGEST_SIDE_PX = 1600


@dataclass(frozen=True)
class FaceSample:
    """The face that a picture is about, as recognition observed it."""

    picture: DatasetPicture
    observation: FaceObservation

    @property
    def chip(self) -> np.ndarray:
        """uint8 RGB [150, 150, 3], aligned."""
        return self.observation.chip

    @property
    def embedding(self) -> np.ndarray:
        """float32 [128]."""
        return self.observation.embedding


@dataclass
class FaceSamples:
    """What a list of pictures gave: samples, and why the others gave none."""

    samples: list[FaceSample] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)
    without_face: list[DatasetPicture] = field(default_factory=list)
    several_faces: list[DatasetPicture] = field(default_factory=list)


def observe_main_face(
    recognizer: Recognizer, rgb: np.ndarray
) -> tuple[FaceObservation, int] | None:
    """The main face of `rgb` and how many faces there are; None without one.

    A picture in which nothing is found is tried again with its border continued, and
    enlarged if it is small; a very large one is made smaller first.
    """
    for attempt in _attempts(rgb):
        faces = recognizer.observe(attempt)
        if faces:
            # A poster's face may be as large; a false alarm may be larger, but scores low.
            main = max(faces, key=lambda face: face.quality.size_px * face.detection_score)
            return main, len(faces)
    return None


def _attempts(rgb: np.ndarray) -> Iterable[np.ndarray]:
    side = max(rgb.shape[:2])
    if side > _LARGEST_SIDE_PX:
        rgb = _scaled(rgb, _LARGEST_SIDE_PX / side)
    yield rgb
    border = round(_BORDER_SHARE * min(rgb.shape[:2]))
    bordered = cv2.copyMakeBorder(rgb, border, border, border, border, cv2.BORDER_REPLICATE)
    smaller_side = min(bordered.shape[:2])
    if smaller_side < _ENLARGED_SIDE_PX:
        bordered = _scaled(bordered, _ENLARGED_SIDE_PX / smaller_side)
    yield bordered


def _scaled(rgb: np.ndarray, scale: float) -> np.ndarray:
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=method)


def find_faces(
    recognizer: Recognizer,
    pictures: list[DatasetPicture],
    what: str,
    cache: FaceCache | None = None,
) -> FaceSamples:
    """The main face of every picture; what gave none is listed, nothing stops the run.

    Pictures are looked at side by side on all cores; the answer does not depend on that.
    """

    def look(picture: DatasetPicture) -> tuple[FaceObservation | None, int] | str:
        try:
            key = cache.key_of(picture.path) if cache else ""
            if cache and (known := cache.read(key)) is not None:
                return known
            seen = observe_main_face(recognizer, read_picture(picture.path))
        except (DatasetError, OSError) as error:
            return str(error)
        found = seen or (None, 0)
        if cache:
            cache.write(key, *found)
        return found

    found = FaceSamples()
    # The networks run outside Python's lock, each on one thread.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(look, pictures)
        for picture, answer in zip(
            pictures, progress(answers, what, total=len(pictures)), strict=True
        ):
            if isinstance(answer, str):
                found.unreadable[picture.path] = answer
                continue
            observation, count = answer
            if observation is None:
                found.without_face.append(picture)
                continue
            if count > 1:
                found.several_faces.append(picture)
            found.samples.append(FaceSample(picture, observation))
    return found
