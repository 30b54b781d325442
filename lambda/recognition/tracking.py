"""Following a face through the frames of a clip, and noticing when it is another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contract.results import Box
from recognition.embedder import distance_between
from recognition.pyramid import overlap
from recognition.quality import Quality
from recognition.settings import Settings

_SAME_SIZE = 1.6


@dataclass(frozen=True, eq=False)
class FaceObservation:
    """One face in one picture: everything that recognition, enrollment and training need."""

    box: Box
    detection_score: float  # mmod's: 0 is its own threshold, more is surer
    landmarks: np.ndarray  # float [5, 2], x and y, px
    chip: np.ndarray  # uint8 [150, 150, 3], RGB, aligned
    embedding: np.ndarray  # float32 [128], as dlib makes it
    quality: Quality


@dataclass
class Track:
    """What was seen of one person's face: at most one observation a frame, in their order."""

    observations: list[FaceObservation] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)

    @property
    def last_box(self) -> Box:
        return self.observations[-1].box

    @property
    def best(self) -> FaceObservation:
        return max(self.observations, key=lambda seen: seen.quality.weight)

    @property
    def usable(self) -> list[FaceObservation]:
        """The observations good enough to be compared."""
        return [seen for seen in self.observations if seen.quality.shortcoming is None]

    def add(self, seen: FaceObservation, frame: int) -> None:
        self.observations.append(seen)
        self.frames.append(frame)

    def looks_away(self, seen: FaceObservation) -> float:
        """How far `seen` is from what it is most like in this track: a face turns step by step."""
        known = self.usable or self.observations
        return min(distance_between(seen.embedding, one.embedding) for one in known)

    def is_in_place(self, seen: FaceObservation, settings: Settings) -> bool:
        """Whether `seen` is where this face was, and as large."""
        sizes = [box.bottom - box.top for box in (seen.box, self.last_box)]
        is_as_large = max(sizes) <= _SAME_SIZE * max(1, min(sizes))
        return is_as_large and overlap(seen.box, self.last_box) >= settings.track_overlap

    def may_hold(self, seen: FaceObservation, settings: Settings) -> bool:
        """Whether an observation in a later frame is this face.

        Place alone would carry a name from one person to the next when a scene is cut or two
        people cross. What is too poor to be compared follows its place: it is in no mean.
        """
        is_in_place = self.is_in_place(seen, settings)
        if seen.quality.shortcoming is not None or not self.usable:
            return is_in_place
        limit = settings.track_distance_in_place if is_in_place else settings.track_distance
        return self.looks_away(seen) <= limit


def owner_of(
    seen: FaceObservation, tracks: Sequence[Track], frame: int, settings: Settings
) -> Track | None:
    """The track that `seen`, in a later frame, belongs to: of those that may hold it and have
    nothing in this frame yet the one it is most like. None when it is somebody new."""
    may = [
        track for track in tracks if frame not in track.frames and track.may_hold(seen, settings)
    ]
    return min(may, key=lambda track: track.looks_away(seen), default=None)
