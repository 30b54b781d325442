"""Clips through the whole recognizer, with all their frames and with one frame only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.custom_model import CustomModel
from recognition.decision import Verdict
from recognition.decode import Clip
from recognition.errors import ClipRejected
from recognition.gallery import Gallery
from recognition.inquiry import RecognizedFace
from recognition.recognizer import Recognition, Recognizer
from training.clips import LabeledClip
from training.dataset import DatasetPicture
from training.evaluation.answers import FINAL, MODELS, ModelAnswer
from training.evaluation.metrics import NO_FACE, STRANGER, UNKNOWN, Comparisons, interval, share
from training.evaluation.open_set import OpenSetTrial
from training.faces import FaceSample
from training.progress import progress


@dataclass(frozen=True)
class ClipAnswer:
    """`recognition` is None for a clip that was rejected, `reason` then says why."""

    clip: LabeledClip
    recognition: Recognition | None
    reason: str | None = None

    @property
    def faces(self) -> tuple[RecognizedFace, ...]:
        return self.recognition.faces if self.recognition else ()

    def named(self, model: str) -> set[str]:
        people = {_person(face, model) for face in self.faces}
        return {person for person in people if person}

    def wrong_names(self, model: str) -> set[str]:
        return self.named(model) - set(self.clip.visible)


def _person(face: RecognizedFace, model: str) -> str | None:
    return face.person_id if model == FINAL else getattr(face, model).person_id


def _verdict(face: RecognizedFace, model: str) -> Verdict:
    return face.custom if model == "custom" else face.online


def recognize_clips(
    recognizer: Recognizer,
    clips: Sequence[LabeledClip],
    gallery: Gallery,
    custom: CustomModel,
    what: str,
) -> list[ClipAnswer]:
    """Each clip's answer; a rejected clip is an answer too."""
    answers = []
    for clip in progress(clips, what):
        try:
            answers.append(ClipAnswer(clip, recognizer.recognize(clip.data, gallery, custom)))
        except ClipRejected as error:
            answers.append(ClipAnswer(clip, None, str(error)))
    return answers


def clip_figures(
    answers: Sequence[ClipAnswer], people: Sequence[str], model: str
) -> dict[str, object]:
    """Figures of one model over clips.

    Single-person clips: `rank1` (best guess for the largest face, a face must be found),
    `named_right` (that person and nobody else). `stranger_rejection`: clips with strangers
    in which nobody was named who is not there. `several_complete`: clips of several people
    with every one of them named. `empty_right`: clips of nobody without a face.
    `wrong_names`: clips, of any kind, that name somebody who is not there. `appearances`: of
    everybody enrolled in every clip, alone or among others, how many were named and how many
    missed.
    """
    named = [person in a.named(model) for a in answers for person in a.clip.visible]
    single = [a for a in answers if len(a.clip.visible) == 1 and not a.clip.strangers]
    strange = [a for a in answers if a.clip.strangers]
    several = [a for a in answers if len(a.clip.visible) > 1]
    empty = [a for a in answers if not a.clip.visible and not a.clip.strangers]
    somebody = [a for a in answers if a.clip.visible or a.clip.strangers]
    first = sum(_best_guess(a, model) == a.clip.visible[0] for a in single)
    right = sum(a.named(model) == set(a.clip.visible) for a in single)
    rejected = sum(not a.wrong_names(model) for a in strange)
    comparisons = Comparisons(
        np.array([_own_score(a, model) for a in single]),
        np.array([_score(face, model) for a in strange if not a.clip.visible for face in a.faces]),
    )
    accepted = {
        f"tar_at_far_{name}": comparisons.true_accepts(rate)
        for name, rate in (("1pct", 0.01), ("01pct", 0.001))
    }
    return {
        "rank1": share(first, len(single)),
        "named_right": share(right, len(single)),
        **accepted,
        "stranger_rejection": share(rejected, len(strange)),
        "no_detection_rate": share(sum(not a.faces for a in somebody), len(somebody)),
        "several_complete": share(
            sum(set(a.clip.visible) <= a.named(model) for a in several), len(several)
        ),
        "empty_right": share(sum(not a.faces for a in empty), len(empty)),
        "wrong_names": sum(bool(a.wrong_names(model)) for a in answers),
        "appearances": {"n": len(named), "right": sum(named), "missed": named.count(False)},
        "n": {
            "single_person": len(single),
            "with_strangers": len(strange),
            "several_people": len(several),
            "empty": len(empty),
            "rejected": sum(a.recognition is None for a in answers),
        },
        "interval_95": {
            "named_right": interval(right, len(single)),
            "stranger_rejection": interval(rejected, len(strange)),
        },
        "confusion": _confusion(
            [*single, *(a for a in strange if not a.clip.visible)], people, model
        ),
    }


def clip_trials(answers: Sequence[ClipAnswer], model: str) -> list[OpenSetTrial]:
    """One model's answers to the clips of one person each; of several nobody can tell at whose
    face a name stood.

    A wrong name counts although the right one stands beside it. As with pictures, enrolled people
    without a face are missed, and strangers without one are no trial.
    """
    asked = [a for a in answers if _is_of_one(a.clip) and (a.clip.visible or a.faces)]
    return [_trial(answer, model) for answer in asked]


def clip_questions(answers: Sequence[ClipAnswer], model: str) -> list[ModelAnswer]:
    """The same trials where there is a face, with the best frame of the largest one as the picture
    that was asked about."""
    made = []
    for answer in answers:
        if not _is_of_one(answer.clip) or not answer.faces:
            continue
        trial = _trial(answer, model)
        name = answer.clip.name
        picture = DatasetPicture(Path(name), trial.subject, None, name, is_noisy_copy=False)
        made.append(
            ModelAnswer(
                truth=trial.subject if trial.is_known else None,
                named=trial.named,
                nearest=trial.nearest,
                scores=np.array([trial.score]),
                samples=(FaceSample(picture, answer.faces[0].best),),
            )
        )
    return made


def _is_of_one(clip: LabeledClip) -> bool:
    return len(clip.visible) + clip.strangers == 1


def _trial(answer: ClipAnswer, model: str) -> OpenSetTrial:
    clip = answer.clip
    surest = max(answer.faces, key=lambda face: _score(face, model), default=None)
    return OpenSetTrial(
        subject=clip.visible[0] if clip.visible else _stranger(clip),
        is_known=bool(clip.visible),
        named=min(answer.wrong_names(model) or answer.named(model), default=None),
        nearest=_verdict(surest, model).nearest if surest else None,
        score=_score(surest, model) if surest else -math.inf,
    )


def _stranger(clip: LabeledClip) -> str:
    """Who a stranger is: their folder; without one each video is taken for one person's."""
    return clip.name.rpartition("#")[0].partition("/")[0]


def all_clip_figures(
    answers: Sequence[ClipAnswer], gallery: Gallery, custom: CustomModel
) -> dict[str, object]:
    people = {"custom": custom.labels}
    return {
        model: clip_figures(answers, people.get(model, gallery.people), model)
        for model in (*MODELS, FINAL)
    }


def _best_guess(answer: ClipAnswer, model: str) -> str | None:
    return _verdict(answer.faces[0], model).nearest if answer.faces else None


def _score(face: RecognizedFace, model: str) -> float:
    verdict = _verdict(face, model)
    return -verdict.distance if verdict.distance is not None else verdict.score


def _own_score(answer: ClipAnswer, model: str) -> float:
    person = answer.clip.visible[0]
    scores = [_score(f, model) for f in answer.faces if _verdict(f, model).nearest == person]
    return max(scores, default=-math.inf)


def _confusion(
    answers: Sequence[ClipAnswer], people: Sequence[str], model: str
) -> dict[str, object]:
    rows, columns = [*people, STRANGER], [*people, UNKNOWN, NO_FACE]
    counts = np.zeros((len(rows), len(columns)), int)
    for answer in answers:
        truth = answer.clip.visible[0] if answer.clip.visible else STRANGER
        named = sorted(answer.wrong_names(model)) or sorted(answer.named(model))
        column = named[0] if named else UNKNOWN if answer.faces else NO_FACE
        if truth in rows:
            counts[rows.index(truth), columns.index(column)] += 1
    return {"rows": rows, "columns": columns, "counts": counts.tolist()}


def first_picture(clip: LabeledClip, recognizer: Recognizer) -> np.ndarray | None:
    """RGB of the clip's first frame, None where nothing can be decoded."""
    try:
        for frame in Clip(clip.data, recognizer.settings).frames(1):
            return frame.to_rgb()
    except ClipRejected:
        pass
    return None
