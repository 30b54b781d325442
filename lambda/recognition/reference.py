"""The original `face_recognition` library behind the same interface, for comparison.

Slow, and needs the `face_recognition` and `dlib` packages, which the function's image does
not have. Decoding, following and deciding are ours: only finding, aligning and embedding
faces differ, so that a comparison compares one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from contract.results import Box
from recognition.errors import RecognitionError
from recognition.gallery import Gallery
from recognition.inquiry import Measure
from recognition.pyramid import Detection, overlap
from recognition.recognizer import Recognizer
from recognition.settings import Settings

# The decision on raw distances, as `face_recognition` measures them; its tolerance is 0.6. The
# numbers are calibrated like the defaults, on the same faces, with up to three photos of each
# person: the nearest of several counts, and strangers come nearer to it than to one.
RAW = Settings(
    accept_distance=0.52,
    accept_falloff=0.046,
    several_slack=0.02,
    candidate_slack=0.08,
    doubt_slack=0.031,
    sure_slack=0.1,
    margin=0.06,
    dim_slack=0.0,  # what `face_recognition` measures, and nothing else
    even_distance=0.555,
    even_slope=0.017,
)


class ReferenceMissing(RecognitionError):
    """`FACELAB_RECOGNIZER=face_recognition` where that library is not installed."""


class _Library:
    """`face_recognition`, imported when it is first asked for: it takes seconds."""

    def __init__(self) -> None:
        try:
            import dlib
            import face_recognition_models as models
        except (ImportError, SystemExit) as error:
            raise ReferenceMissing(
                "the face_recognition library is not installed here; unset FACELAB_RECOGNIZER"
            ) from error
        self._dlib = dlib
        self.find = dlib.get_frontal_face_detector()
        self.predict = dlib.shape_predictor(models.pose_predictor_five_point_model_location())
        self.encode = dlib.face_recognition_model_v1(models.face_recognition_model_location())

    def rectangle(self, box: Box) -> Any:
        """A dlib.rectangle."""
        return self._dlib.rectangle(box.left, box.top, box.right, box.bottom)

    def chip(self, rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        points = self._dlib.points([self._dlib.point(int(x), int(y)) for x, y in landmarks])
        around = self._dlib.rectangle(0, 0, rgb.shape[1] - 1, rgb.shape[0] - 1)
        return self._dlib.get_face_chip(rgb, self._dlib.full_object_detection(around, points))


class _HogDetector:
    """`face_recognition.face_locations` with its default upsampling of 1."""

    def __init__(self, library: _Library) -> None:
        self._library = library

    def find_all(self, rgb: np.ndarray) -> list[Detection]:
        rectangles, scores, _ = self._library.find.run(rgb, 1, 0.0)
        return [
            Detection(score, Box(each.top(), each.right(), each.bottom(), each.left()))
            for each, score in zip(rectangles, scores, strict=True)
        ]

    def is_plain(self, rgb: np.ndarray) -> bool:
        return False

    def find(self, rgb: np.ndarray) -> list[Detection]:
        return self.find_all(rgb)

    def find_newcomers(
        self, rgb: np.ndarray, before: np.ndarray, known: Sequence[Box]
    ) -> list[Detection]:
        return [
            face for face in self.find_all(rgb) if all(overlap(face.box, box) == 0 for box in known)
        ]

    def turned_by(self, rgb: np.ndarray) -> int | None:
        return None

    def find_near(self, rgb: np.ndarray, box: Box) -> Detection | None:
        found = [face for face in self.find_all(rgb) if overlap(face.box, box) > 0]
        return max(found, key=lambda face: overlap(face.box, box), default=None)


class _Landmarks:
    def __init__(self, library: _Library) -> None:
        self._library = library

    def predict(self, rgb: np.ndarray, box: Box) -> np.ndarray:
        points = self._library.predict(rgb, self._library.rectangle(box)).parts()
        return np.array([(point.x, point.y) for point in points], np.float64)


class _Embedder:
    def __init__(self, library: _Library) -> None:
        self._library = library

    def embed(self, chip: np.ndarray) -> np.ndarray:
        return np.array(self._library.encode.compute_face_descriptor(chip), np.float32)


class ReferenceRecognizer(Recognizer):
    """The pipeline with dlib's HOG detector, landmarks and network."""

    @classmethod
    def load(cls, models_dir: Path, settings: Settings | None = None) -> ReferenceRecognizer:
        """Load the library; `models_dir` is not used, its package brings its own.

        Raises
        ------
        ReferenceMissing
            When the library is not installed.
        """
        return cls._with(settings or Settings(), Gallery.distances)

    @classmethod
    def load_raw(cls, settings: Settings | None = None) -> ReferenceRecognizer:
        """The same, deciding by raw distances, as `face_recognition.face_distance` gives them.

        Raises
        ------
        ReferenceMissing
            When the library is not installed.
        """
        return cls._with(settings or RAW, Gallery.raw_distances)

    @classmethod
    def _with(cls, settings: Settings, measure: Measure) -> ReferenceRecognizer:
        cv2.setNumThreads(1)
        library = _Library()
        parts = _HogDetector(library), _Landmarks(library), _Embedder(library)
        return cls(*parts, settings, measure)
