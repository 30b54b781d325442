"""The pipeline: clip, frames, faces, identities. Arrays and bytes in, plain dataclasses out.

Pictures are uint8 [height, width, 3], RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from contract.results import Status, clip_status
from recognition.alignment import face_box, face_chip
from recognition.custom_model import CustomModel
from recognition.decode import Clip, Frame
from recognition.detector import Detector
from recognition.embedder import Embedder
from recognition.gallery import Gallery
from recognition.inquiry import Inquiry, Measure, RecognizedFace, one_of_each
from recognition.landmarks import LandmarkPredictor
from recognition.pyramid import Detection, overlap
from recognition.quality import assess
from recognition.regions import has_another
from recognition.settings import Settings
from recognition.side_by_side import Ahead, share
from recognition.stages import Stopwatch
from recognition.tracking import FaceObservation, Track, owner_of

if TYPE_CHECKING:
    from recognition.stations import DetectorStation, EmbedderStation, LandmarkStation

# Of two boxes in one frame with more overlap than this, both hold one face.
_SAME_PLACE = 0.3


@dataclass(frozen=True)
class Recognition:
    """What was found in a clip, the largest face first.

    `stages_ms` says how long the answer waited for `decode`, `detect`, `align`, `embed` and
    `decide`; a stage that did not run is not in it. `frames_seen` counts the coded pictures of
    the clip; `reason` says what of it was not looked at because of damage or a limit, or why a
    clip with people in it may show none.
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
        detector: DetectorStation,
        landmarks: LandmarkStation,
        embedder: EmbedderStation,
        settings: Settings,
        measure: Measure = Gallery.distances,
    ) -> None:
        self._measure = measure
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
            When one of them is not there.
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

        The thorough way, for enrollment, training and evaluation; a clip's faces go through
        the same alignment and embedding.
        """
        found = self._detector.find_all(np.ascontiguousarray(image_rgb))
        return self._largest_first(image_rgb, found)

    def look(self, image_rgb: np.ndarray) -> list[FaceObservation]:
        """Every face in one picture as a clip's first frame is looked at, the largest first."""
        found = self._detector.find(np.ascontiguousarray(image_rgb))
        return self._largest_first(image_rgb, found)

    def turned_by(self, image_rgb: np.ndarray) -> int | None:
        """How far, in degrees clockwise, a picture in which nobody is found must be turned to show
        somebody near; None where no turn does. Uint8 [h, w, 3] RGB."""
        return self._detector.turned_by(np.ascontiguousarray(image_rgb))

    def _largest_first(self, rgb: np.ndarray, found: list[Detection]) -> list[FaceObservation]:
        looks = self._look_at(rgb, found, Stopwatch())
        return sorted(looks, key=lambda seen: -seen.quality.size_px)

    def recognize(self, clip: bytes, gallery: Gallery, custom: CustomModel | None) -> Recognition:
        """Who is in the clip. Looks at as many frames as the answer needs.

        Raises
        ------
        ClipRejected
            When it can't be looked at, now or ever: see its subclasses.
        """
        watch = Stopwatch()
        with watch.stage("decode"):
            opened = Clip(clip, self.settings)
        inquiry = Inquiry(gallery, custom, self.settings, self._measure)
        most = self._most_frames(opened.key_frames)
        with Ahead(opened.frames(most)) as frames:
            tracks, hint = self._track(frames, opened.key_frames > 1, inquiry, watch)
        with watch.stage("decide"):
            faces = one_of_each(tracks, [inquiry.answer(track) for track in tracks])
        return Recognition(
            frames_seen=opened.pictures_seen,
            frames_decoded=opened.pictures_decoded,
            faces=tuple(sorted(faces, key=lambda face: -face.size_px)),
            stages_ms=watch.milliseconds(),
            reason=opened.shortfall or hint,
        )

    def _track(
        self, frames: Ahead[Frame], is_long: bool, inquiry: Inquiry, watch: Stopwatch
    ) -> tuple[list[Track], str | None]:
        """Everybody in the frames, and why there may be nobody."""
        tracks: list[Track] = []
        hint: str | None = None
        unsearched: Frame | None = None
        searched: Frame | None = None
        settled_in: Frame | None = None
        while (frame := self._next(frames, watch)) is not None:
            if searched is not None and settled_in is not None:
                if frame.is_last:
                    self._welcome(frame, searched, settled_in, tracks, watch)
                continue
            # At a bare wall a short clip is over; of any other all frames are wanted.
            may_end = frame.is_first and not is_long and self._is_plain(frame, watch)
            if not may_end:
                frames.start()
            if frame.is_first or (not tracks and (frame.is_last or is_long)):
                # Somebody may have come in since the frame before.
                tracks = self._search(frame, watch)
                searched, unsearched = frame, None
                if may_end and not tracks:
                    break
                if frame.is_last and not tracks:
                    hint = self._why_nobody(frame, watch)
            elif tracks:
                frame = self._at_its_sharpest(frame, tracks, inquiry, watch)
                self._follow(frame, tracks, inquiry, watch)
            else:
                unsearched = frame
            with watch.stage("decide"):
                if tracks and all(inquiry.is_settled(track) for track in tracks):
                    settled_in = frame
        if unsearched and not tracks:  # the frames after it were lost
            tracks = self._search(unsearched, watch)
        return tracks, hint

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

    def _is_plain(self, frame: Frame, watch: Stopwatch) -> bool:
        rgb = self._rgb(frame, watch)
        with watch.stage("detect"):
            return self._detector.is_plain(rgb)

    def _search(self, frame: Frame, watch: Stopwatch) -> list[Track]:
        """A track for every face of the frame."""
        rgb = self._rgb(frame, watch)
        with watch.stage("detect"):
            found = self._detector.find(rgb)
        looks = self._look_at(rgb, found, watch)
        return [Track([seen], [frame.index]) for seen in looks]

    def _welcome(
        self, frame: Frame, searched: Frame, settled: Frame, tracks: list[Track], watch: Stopwatch
    ) -> None:
        """A track for everybody who came in since `searched`: looked for only where the picture
        changed and nobody was, or where after a cut somebody else is than in `settled`."""
        rgb, past = self._rgb(frame, watch), self._rgb(settled, watch)
        before = past if searched is settled else self._rgb(searched, watch)
        known = [track.last_box for track in tracks]
        with watch.stage("detect"):
            another = [box for box in known if has_another(rgb, past, box)]
            found = self._detector.find_newcomers(
                rgb, before, [box for box in known if box not in another]
            )
            others = [self._detector.find_near(rgb, box) for box in another]
            found += [face for face in others if face and _is_new(face, found)]
        for seen in self._look_at(rgb, found, watch):
            owner = owner_of(seen, tracks, frame.index, self.settings)
            if owner is None:
                tracks.append(Track([seen], [frame.index]))

    def _why_nobody(self, frame: Frame, watch: Stopwatch) -> str | None:
        rgb = self._rgb(frame, watch)
        with watch.stage("detect"):
            degrees = self._detector.turned_by(rgb)
        if degrees is None:
            return None
        return f"a face lies on its side or head: turn the camera's picture by {degrees} degrees"

    def _look_at(
        self, rgb: np.ndarray, faces: list[Detection], watch: Stopwatch
    ) -> list[FaceObservation]:
        """What is to be known of these faces, in their order."""
        if not faces:
            return []
        with watch.stage("align"):
            points = [self._landmarks.predict(rgb, face.box) for face in faces]
            chips = [face_chip(rgb, of_one) for of_one in points]
            boxes = [face_box(of_one) for of_one in points]
            qualities = [
                assess(chip, box.bottom - box.top, self.settings)
                for chip, box in zip(chips, boxes, strict=True)
            ]
        with watch.stage("embed"):
            embeddings = share(self._embedder.embed, chips)
        scores = [face.score for face in faces]
        parts = zip(boxes, scores, points, chips, embeddings, qualities, strict=True)
        return [FaceObservation(*of_one) for of_one in parts]

    @staticmethod
    def _at_its_sharpest(
        frame: Frame, tracks: list[Track], inquiry: Inquiry, watch: Stopwatch
    ) -> Frame:
        """The last frame stays what it is: it shows who came in since."""
        if frame.is_last:
            return frame
        with watch.stage("decode"):
            return frame.at_its_sharpest(
                [track.last_box for track in tracks if not inquiry.is_settled(track)]
            )

    def _follow(
        self, frame: Frame, tracks: list[Track], inquiry: Inquiry, watch: Stopwatch
    ) -> None:
        """Add what this frame shows of the faces that are not settled yet, and, in the last
        one, of people who came in since."""
        rgb = self._rgb(frame, watch)
        found: list[Detection] = []
        with watch.stage("detect"):
            boxes = [track.last_box for track in tracks if not inquiry.is_settled(track)]
            for near in share(lambda box: self._detector.find_near(rgb, box), boxes):
                found += [near] if near and _is_new(near, found) else []
            if frame.is_last:
                settled = [track.last_box for track in tracks if inquiry.is_settled(track)]
                for face in self._detector.find(rgb):
                    is_known = any(overlap(face.box, box) > _SAME_PLACE for box in settled)
                    found += [face] if _is_new(face, found) and not is_known else []
        for seen in self._look_at(rgb, found, watch):
            owner = owner_of(seen, tracks, frame.index, self.settings)
            if owner is not None:
                owner.add(seen, frame.index)
            else:
                tracks.append(Track([seen], [frame.index]))


def _is_new(face: Detection, found: list[Detection]) -> bool:
    return all(overlap(face.box, other.box) <= _SAME_PLACE for other in found)
