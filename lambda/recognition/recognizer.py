"""The pipeline: clip, frames, faces, identities. Arrays and bytes in, plain dataclasses out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from contract.results import Box, Status, clip_status
from recognition.alignment import face_box, face_chip
from recognition.custom_model import CustomModel
from recognition.decode import Clip, Frame
from recognition.detector import Detection, Detector, overlap
from recognition.embedder import Embedder
from recognition.gallery import Gallery
from recognition.inquiry import Inquiry, RecognizedFace, one_of_each
from recognition.landmarks import LandmarkPredictor
from recognition.quality import assess
from recognition.settings import Settings
from recognition.stages import Stopwatch
from recognition.tracking import FaceObservation, Track


@dataclass(frozen=True)
class Recognition:
    """What was found in a clip, the largest face first.

    `stages_ms` has the compute of `decode`, `detect`, `align`, `embed` and `decide`; a stage
    that did not run is not in it. `frames_seen` counts the coded pictures of the clip;
    `reason` says what of it was not looked at because of damage or a limit.
    """

    frames_seen: int
    frames_decoded: int
    faces: tuple[RecognizedFace, ...]
    stages_ms: dict[str, float]
    reason: str | None = None

    @property
    def status(self) -> Status:
        """The most telling status among the faces."""
        return clip_status(face.status for face in self.faces)


class Recognizer:
    """Loaded once, then used for every clip. Holds no state between calls."""

    def __init__(
        self,
        detector: Detector,
        landmarks: LandmarkPredictor,
        embedder: Embedder,
        settings: Settings,
    ) -> None:
        self._detector = detector
        self._landmarks = landmarks
        self._embedder = embedder
        self.settings = settings

    @classmethod
    def load(cls, models_dir: Path, settings: Settings | None = None) -> Recognizer:
        """Load the models that `python -m weights build` wrote.

        Raises
        ------
        ModelsMissing
        """
        settings = settings or Settings()
        # A function has a share of one core: OpenCV's threads would only wait for each other.
        cv2.setNumThreads(1)
        return cls(
            Detector(models_dir / "detector.onnx", settings),
            LandmarkPredictor(models_dir / "landmarks.npz"),
            Embedder(models_dir / "embedding.onnx"),
            settings,
        )

    def observe(self, image_rgb: np.ndarray) -> list[FaceObservation]:
        """Every face in one picture, uint8 [h, w, 3] RGB, the largest first.

        The thorough way, for enrolment, training and evaluation; a clip's faces go through
        the same alignment and embedding.
        """
        watch = Stopwatch()
        found = self._detector.find_all(np.ascontiguousarray(image_rgb))
        return sorted(
            (self._look(image_rgb, face, watch) for face in found),
            key=lambda seen: -seen.quality.size_px,
        )

    def recognize(self, clip: bytes, gallery: Gallery, custom: CustomModel | None) -> Recognition:
        """Who is in the clip. Looks at as many frames as the answer needs.

        Raises
        ------
        ClipRejected
        """
        watch = Stopwatch()
        with watch.stage("decode"):
            opened = Clip(clip, self.settings)
        inquiry = Inquiry(gallery, custom, self.settings)
        tracks: list[Track] = []
        is_long = opened.key_frames > 1
        frames = opened.frames(self._most_frames(opened.key_frames))
        unsearched: Frame | None = None
        while (frame := self._next(frames, watch)) is not None:
            if frame.is_first:
                tracks, is_plain = self._first_look(frame, watch)
                if is_plain and not is_long:
                    break
            elif tracks:
                self._follow(frame, tracks, inquiry, watch)
            elif frame.is_last or is_long:
                tracks, unsearched = self._last_look(frame, watch), None
            else:
                unsearched = frame
            with watch.stage("decide"):
                if tracks and all(inquiry.is_settled(track) for track in tracks):
                    break
        if unsearched and not tracks:  # the frames after it were lost
            tracks = self._last_look(unsearched, watch)
        with watch.stage("decide"):
            faces = one_of_each([inquiry.answer(track) for track in tracks])
        return Recognition(
            frames_seen=opened.pictures_seen,
            frames_decoded=opened.pictures_decoded,
            faces=tuple(sorted(faces, key=lambda face: -face.size_px)),
            stages_ms=watch.milliseconds(),
            reason=opened.shortfall,
        )

    def _most_frames(self, key_frames: int) -> int:
        return max(self.settings.max_frames, min(key_frames, self.settings.max_search_frames))

    @staticmethod
    def _next(frames: Iterator[Frame], watch: Stopwatch) -> Frame | None:
        with watch.stage("decode"):
            return next(frames, None)

    @staticmethod
    def _rgb(frame: Frame, watch: Stopwatch) -> np.ndarray:
        with watch.stage("decode"):
            return frame.to_rgb()

    def _first_look(self, frame: Frame, watch: Stopwatch) -> tuple[list[Track], bool]:
        """The faces, and whether the picture is so plain that none can hide in it.

        The finer levels run at most here, once in a clip: that bounds what a clip of an
        empty room can cost.
        """
        rgb = self._rgb(frame, watch)
        with watch.stage("detect"):
            found = self._detector.find_large(rgb)
            regions = self._detector.regions_with_detail(rgb, found)
            found = self._detector.find_more(rgb, regions, found)
        tracks = [Track([self._look(rgb, face, watch)]) for face in found]
        return tracks, not found and not regions

    def _last_look(self, frame: Frame, watch: Stopwatch) -> list[Track]:
        """Somebody may have come in since the first frame."""
        rgb = self._rgb(frame, watch)
        with watch.stage("detect"):
            found = self._detector.find_large(rgb)
        return [Track([self._look(rgb, face, watch)]) for face in found]

    def _look(self, rgb: np.ndarray, face: Detection, watch: Stopwatch) -> FaceObservation:
        with watch.stage("align"):
            points = self._landmarks.predict(rgb, face.box)
            chip = face_chip(rgb, points)
            box = face_box(points)
            quality = assess(chip, box.bottom - box.top, self.settings)
        with watch.stage("embed"):
            embedding = self._embedder.embed(chip)
        return FaceObservation(box, face.score, points, chip, embedding, quality)

    def _follow(
        self, frame: Frame, tracks: list[Track], inquiry: Inquiry, watch: Stopwatch
    ) -> None:
        """Add what this frame shows of the faces that are not settled yet."""
        rgb = self._rgb(frame, watch)
        for track in tracks:
            if inquiry.is_settled(track):
                continue
            with watch.stage("detect"):
                face = self._detector.find_near(rgb, track.last_box)
            if face is None or _is_nearer_to_another(face.box, track, tracks):
                continue
            seen = self._look(rgb, face, watch)
            if track.belongs(seen, self.settings):
                track.observations.append(seen)


def _is_nearer_to_another(box: Box, track: Track, tracks: list[Track]) -> bool:
    own = overlap(box, track.last_box)
    return any(overlap(box, other.last_box) > own for other in tracks if other is not track)
