"""Following a face through the frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from contract.results import Box
from recognition.detector import overlap
from recognition.quality import Quality
from recognition.settings import Settings


@dataclass(frozen=True, eq=False)
class FaceObservation:
    """One face in one picture: everything that recognition, enrolment and training need."""

    box: Box
    detection_score: float
    landmarks: np.ndarray  # float [5, 2], x and y, px
    chip: np.ndarray  # uint8 [150, 150, 3], RGB, aligned
    embedding: np.ndarray  # float32 [128]
    quality: Quality


@dataclass
class Track:
    """What was seen of one face, in the order of the frames."""

    observations: list[FaceObservation] = field(default_factory=list)

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

    def belongs(self, seen: FaceObservation, settings: Settings) -> bool:
        """Whether an observation in the next frame is this face: same place, same look.

        Place alone would let two people who cross swap their names.
        """
        distance = float(np.linalg.norm(seen.embedding - self.best.embedding))
        if overlap(seen.box, self.last_box) >= settings.track_overlap:
            # Blur and turning move an embedding farther than an accept threshold allows.
            return distance <= settings.track_distance + 0.25
        return distance <= settings.track_distance
