"""Both models' answers to faces, by the code that the function itself decides with."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from recognition.custom_model import CustomModel
from recognition.decision import Verdict
from recognition.gallery import Gallery
from recognition.inquiry import Inquiry, RecognizedFace
from recognition.settings import Settings
from recognition.tracking import Track
from training.faces import FaceSample

MODELS = ("online", "custom")
FINAL = "final"
VOTING_FRAMES = 5


@dataclass(frozen=True)
class ModelAnswer:
    """What one model says of one question (a picture, or several of the same person).

    `scores` has a value for every person in `people` (higher is more alike), `named` is the
    decision, `nearest` its best guess. `truth` is None for a stranger.
    """

    truth: str | None
    named: str | None
    nearest: str | None
    scores: np.ndarray
    samples: tuple[FaceSample, ...]


@dataclass(frozen=True)
class Examiner:
    """The two models under test."""

    gallery: Gallery
    custom: CustomModel
    settings: Settings

    def people(self, model: str) -> tuple[str, ...]:
        return self.custom.labels if model == "custom" else self.gallery.people

    def ask(self, truth: str | None, samples: tuple[FaceSample, ...]) -> dict[str, ModelAnswer]:
        """Every model's answer, and the final one, about faces of one person, decided together
        as those of one clip are."""
        track = Track([sample.observation for sample in samples])
        face = Inquiry(self.gallery, self.custom, self.settings).answer(track)
        answers = {
            model: ModelAnswer(
                truth=truth,
                named=_verdict(face, model).person_id,
                nearest=_verdict(face, model).nearest,
                scores=self._scores(model, samples),
                samples=samples,
            )
            for model in MODELS
        }
        # What the clip's result names: both models' answers weighed together.
        answers[FINAL] = replace(answers["online"], named=face.person_id)
        return answers

    def _scores(self, model: str, samples: tuple[FaceSample, ...]) -> np.ndarray:
        """[people]: for one-to-one comparisons; weighted over the faces as a clip's are."""
        weights = [sample.observation.quality.weight for sample in samples]
        if model == "online":
            rows = [-self.gallery.distances(sample.embedding) for sample in samples]
        else:
            rows = [self.custom.probabilities(sample.embedding, sample.chip) for sample in samples]
        return np.average(np.array(rows, np.float64), axis=0, weights=weights)


def _verdict(face: RecognizedFace, model: str) -> Verdict:
    return face.online if model == "online" else face.custom


def groups_of(samples: list[FaceSample], size: int = VOTING_FRAMES) -> list[tuple[FaceSample, ...]]:
    """Probes of one person and session by `size`, as if they were frames of one clip."""
    by_person: dict[tuple[str, str | None], list[FaceSample]] = defaultdict(list)
    for sample in samples:
        by_person[sample.picture.person_id, sample.picture.session].append(sample)
    groups = []
    for own in by_person.values():
        own.sort(key=lambda sample: sample.picture.path)
        groups += [tuple(own[start : start + size]) for start in range(0, len(own), size)]
    return groups
