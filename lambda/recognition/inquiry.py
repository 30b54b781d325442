"""One clip's question to both models: who is each face, and do we know enough?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from contract.results import Box, Status
from recognition.custom_model import CustomModel
from recognition.decision import (
    UNSEEN,
    Verdict,
    decide_custom,
    decide_online,
    final_person,
    models_agree,
)
from recognition.gallery import Gallery
from recognition.settings import Settings
from recognition.tracking import FaceObservation, Track


@dataclass(frozen=True)
class RecognizedFace:
    """One face of a clip with both models' answers.

    `box`, `size_px`, `detection_score` (mmod's, 0 is its own threshold) and `blur` (higher is
    sharper) are of its best frame, and `best` is all that is known of that one. `person_id` is the
    final decision. `shortcoming` says why a face of status `low_quality` can't be named.
    """

    best: FaceObservation = field(compare=False, repr=False)
    box: Box
    detection_score: float
    size_px: int
    blur: float
    frames_used: int
    status: Status
    person_id: str | None
    online: Verdict
    custom: Verdict
    agree: bool
    shortcoming: str | None = None


# A gallery and an embedding to distances [people].
Measure = Callable[[Gallery, np.ndarray], np.ndarray]


class Inquiry:
    """Asks each model once per observation, however often the answer is weighed."""

    def __init__(
        self,
        gallery: Gallery,
        custom: CustomModel | None,
        settings: Settings,
        measure: Measure = Gallery.distances,
    ) -> None:
        self._gallery = gallery
        self._measure = measure
        self._custom = custom
        self._settings = settings
        self._distances: dict[int, np.ndarray] = {}
        self._probabilities: dict[int, np.ndarray] = {}

    def is_settled(self, track: Track) -> bool:
        """Whether another frame would not change the answer for this face."""
        if not track.usable:
            return False
        online, custom = self._verdicts(track.usable)
        if not online.is_sure:
            return False
        if online.person_id is None:
            return custom.person_id is None
        return custom.person_id in (None, online.person_id)

    def answer(self, track: Track) -> RecognizedFace:
        """What the clip says of one face."""
        best, usable = track.best, track.usable
        online, custom = self._verdicts(usable or track.observations)
        person_id = final_person(online, custom, self._gallery.people, self._settings)
        status = Status.RECOGNIZED if person_id else Status.UNKNOWN
        if not usable:
            status, person_id = Status.LOW_QUALITY, None
            online = _withheld(online, Status.LOW_QUALITY)
            custom = _withheld(custom, Status.LOW_QUALITY)
        return RecognizedFace(
            best=best,
            box=best.box,
            detection_score=best.detection_score,
            size_px=best.quality.size_px,
            blur=best.quality.blur,
            frames_used=len(track.observations),
            status=status,
            person_id=person_id,
            online=online,
            custom=custom,
            agree=models_agree(online, custom),
            shortcoming=None if usable else best.quality.shortcoming,
        )

    def _verdicts(self, seen: list[FaceObservation]) -> tuple[Verdict, Verdict]:
        weights = [one.quality.weight for one in seen]
        online = decide_online(
            self._gallery.people,
            np.array([self._distances_of(one) for one in seen]),
            weights,
            self._settings,
        )
        if self._custom is None:
            return online, UNSEEN
        custom = decide_custom(
            self._custom.labels,
            np.array([self._probabilities_of(one) for one in seen]),
            weights,
            self._custom.thresholds,
            self._settings,
        )
        return online, custom

    def _distances_of(self, seen: FaceObservation) -> np.ndarray:
        if id(seen) not in self._distances:
            measured = self._measure(self._gallery, seen.embedding)
            added = self._settings.distance_added(seen.quality.contrast)
            self._distances[id(seen)] = measured + added
        return self._distances[id(seen)]

    def _probabilities_of(self, seen: FaceObservation) -> np.ndarray:
        if id(seen) not in self._probabilities:
            assert self._custom is not None  # noqa: S101  only asked with a model
            self._probabilities[id(seen)] = self._custom.probabilities(seen.embedding, seen.chip)
        return self._probabilities[id(seen)]


def one_of_each(tracks: Sequence[Track], faces: Sequence[RecognizedFace]) -> list[RecognizedFace]:
    """Each person once: `faces` are the answers for `tracks`.

    Of two faces with one name, the surer one keeps it. The other is somebody else when both
    were in a frame together: nobody is in a picture twice. Otherwise it is the same face
    again, lost and found in between, and left out.
    """
    kept = []
    for track, face in zip(tracks, faces, strict=True):
        rivals = [i for i, other in enumerate(faces) if other.person_id == face.person_id]
        surest = max(rivals, key=lambda index: _certainty(faces[index]))
        if face.person_id is None or faces[surest] is face:
            kept.append(face)
        elif set(track.frames) & set(tracks[surest].frames):
            kept.append(_without_name(face))
    return kept


def _without_name(face: RecognizedFace) -> RecognizedFace:
    online = _withheld(face.online, Status.UNKNOWN)
    custom = _withheld(face.custom, Status.UNKNOWN)
    return replace(
        face,
        status=Status.UNKNOWN,
        person_id=None,
        online=online,
        custom=custom,
        agree=models_agree(online, custom),
    )


def _certainty(face: RecognizedFace) -> float:
    return face.online.score + face.custom.score


def _withheld(verdict: Verdict, status: Status) -> Verdict:
    return replace(verdict, status=status, person_id=None)
