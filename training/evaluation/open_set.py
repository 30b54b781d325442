"""Open set, the figure that counts: some people are enrolled, others walk in all the same.

Whom the models name of those they know, and how often they put a name on somebody they don't.
Intervals are bootstrapped by subject: ten pictures of one person are not ten people.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.people import person_id_of
from recognition.gallery import Gallery
from recognition.pose import HALF_TURNED, turn_of
from recognition.settings import Settings
from training.dataset import DatasetError
from training.evaluation.answers import FINAL, ModelAnswer
from training.faces import FaceSample

FALSE_NAME_RATES = (0.001, 0.005, 0.01)
REPORT_STYLE = "report_style"
_REPORT_TOLERANCE = 0.6
_RESAMPLES = 1000
_CURVE_POINTS = 400
NO_LABEL = "(none)"
# Faces to the name of the group that each is in.
GroupsOf = Callable[[Sequence[FaceSample]], Sequence[str]]


class UnusableLabels(DatasetError):
    """The groups file has no column `person`, or can't be read."""


@dataclass(frozen=True)
class OpenSetTrial:
    """One question to one model. `subject` is who was asked about, enrolled or not; `score`
    (higher is surer) is that of the best guess, -inf where no face was found."""

    subject: str
    is_known: bool
    named: str | None
    nearest: str | None
    score: float

    @property
    def is_right(self) -> bool:
        return self.is_known and self.named == self.subject

    @property
    def is_wrong(self) -> bool:
        return self.is_known and self.named not in (None, self.subject)


def trials(answers: Sequence[ModelAnswer], missed: Counter[str | None]) -> list[OpenSetTrial]:
    """One model's answers, and the known probes without a face; strangers without one are no
    trial, for nobody could have named them."""
    made = [
        OpenSetTrial(
            answer.samples[0].picture.person_id,
            answer.truth is not None,
            answer.named,
            answer.nearest,
            float(answer.scores.max()) if len(answer.scores) else -np.inf,
        )
        for answer in answers
    ]
    for person, count in missed.items():
        if person is not None:
            made += [OpenSetTrial(person, True, None, None, -np.inf)] * count
    return made


def report_style(answers: Sequence[ModelAnswer], gallery: Gallery) -> list[ModelAnswer]:
    """The same questions by the report's rule: the nearest raw distance, up to 0.6."""
    made = []
    for answer in answers:
        far = gallery.raw_distances(answer.samples[0].embedding)
        nearest = gallery.people[int(far.argmin())]
        named = nearest if far.min() <= _REPORT_TOLERANCE else None
        made.append(ModelAnswer(answer.truth, named, nearest, -far.astype(float), answer.samples))
    return made


def open_set(asked: Sequence[OpenSetTrial], seed: int = 0) -> dict[str, object]:
    """`named_right`, `named_wrong`, `missed` of known probes, `strangers_named` of strangers'
    faces, each with `n` and a 95 % interval; `identified_at`: the share of known probes whose
    best guess is right and above the threshold at which that share of strangers is named."""
    known = [one for one in asked if one.is_known]
    strangers = [one for one in asked if not one.is_known]
    return {
        "named_right": _share(known, lambda one: one.is_right, seed),
        "named_wrong": _share(known, lambda one: one.is_wrong, seed),
        "missed": _share(known, lambda one: one.named is None, seed),
        "strangers_named": _share(strangers, lambda one: one.named is not None, seed),
        "identified_at": {
            f"{rate:.1%}": identified_at(known, strangers, rate, seed) for rate in FALSE_NAME_RATES
        }
        if strangers
        else None,
    }


def identified_at(
    known: Sequence[OpenSetTrial], strangers: Sequence[OpenSetTrial], rate: float, seed: int
) -> dict[str, object]:
    """Right best guesses above the threshold that names at most this share of strangers."""
    ranked = sorted((one.score for one in strangers), reverse=True)
    threshold = ranked[int(rate * len(ranked))]
    return _share(known, lambda one: one.nearest == one.subject and one.score > threshold, seed)


def detection_error(asked: Sequence[OpenSetTrial]) -> list[tuple[float, float]]:
    """The DET curve: (share of strangers named, share of known probes not named rightly) from
    the strictest threshold to the loosest."""
    strangers = np.array(sorted((t.score for t in asked if not t.is_known), reverse=True))
    known = [one for one in asked if one.is_known]
    if not len(strangers) or not known:
        return []
    right = np.array([one.score if one.nearest == one.subject else -np.inf for one in known])
    # Few points where they lie close on a logarithmic axis, but all the way to the last stranger.
    steps = np.unique(np.geomspace(1, len(strangers), _CURVE_POINTS).astype(int)) - 1
    return [
        (float(step / len(strangers)), float((right <= strangers[step]).mean())) for step in steps
    ]


def _share(
    asked: Sequence[OpenSetTrial], is_so: Callable[[OpenSetTrial], bool], seed: int
) -> dict[str, object]:
    return share_by_subject(((one.subject, is_so(one), 1) for one in asked), seed)


def share_by_subject(
    outcomes: Iterable[tuple[str, int, int]],
    seed: int,
    *,
    digits: int = 4,
    independent: int | None = None,
) -> dict[str, object]:
    """`value`, `count`, `n` and a 95 % interval of (subject, how many were so, of how many).

    `independent` counts what could have come out otherwise by itself, where that is not an
    subject: it bounds a share of which nothing was seen.
    """
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for subject, count, of in outcomes:
        tally[subject][0] += int(count)
        tally[subject][1] += of
    counts = np.array([own for own in tally.values() if own[1]]).reshape(-1, 2)
    if not len(counts):
        return {"value": None, "count": 0, "n": 0, "interval_95": None}
    sums, sizes = counts.T
    low, high = _bootstrap(sums, sizes, seed, independent or len(counts))
    return {
        "value": round(float(sums.sum() / sizes.sum()), digits),
        "count": int(sums.sum()),
        "n": int(sizes.sum()),
        "interval_95": (round(low, digits), round(high, digits)),
    }


def _bootstrap(
    sums: np.ndarray, sizes: np.ndarray, seed: int, independent: int
) -> tuple[float, float]:
    """95 % interval of a share when subjects are drawn anew. Where every subject answers
    alike, drawing them tells nothing: then by the rule of three over what is independent."""
    if (sums == 0).all():
        return 0.0, min(1.0, 3 / independent)
    if (sums == sizes).all():
        return max(0.0, 1 - 3 / independent), 1.0
    people = len(sums)
    if people == 1:
        return 0.0, 1.0  # drawn anew it is always the same one, of whom nothing follows for others
    drawn = np.random.default_rng(seed).integers(people, size=(_RESAMPLES, people))
    shares = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


# What a face is like, measured on the aligned face and where it was found.


def tone_of(sample: FaceSample) -> float:
    """How light the skin is in this picture, 0 to 255: the cheeks' median gray. Light and skin
    can't be told apart in a picture, so this is both."""
    cheeks = [sample.chip[78:96, 44:62], sample.chip[78:96, 88:106]]
    return float(np.median(np.concatenate([part.reshape(-1, 3) for part in cheeks]).mean(1)))


def _turn(sample: FaceSample) -> float:
    return abs(turn_of(sample.observation.landmarks))


def _thirds(value: Callable[[FaceSample], float], names: Sequence[str]) -> GroupsOf:
    def groups(samples: Sequence[FaceSample]) -> list[str]:
        values = np.array([value(sample) for sample in samples])
        cuts = np.quantile(values, (1 / 3, 2 / 3)) if len(values) else (0, 0)
        return [names[int(np.searchsorted(cuts, one))] for one in values]

    return groups


def _steps(
    value: Callable[[FaceSample], float], cuts: Sequence[float], names: Sequence[str]
) -> GroupsOf:
    def groups(samples: Sequence[FaceSample]) -> list[str]:
        return [names[int(np.searchsorted(cuts, value(sample), "right"))] for sample in samples]

    return groups


CONDITIONS = {
    "size": _steps(
        lambda s: s.observation.quality.size_px,
        (60, 120),
        ("below 60 px", "60 to 119 px", "120 px and more"),
    ),
    "light": _steps(
        lambda s: s.observation.quality.contrast, (8, 20), ("very dark or pale", "dim", "clear")
    ),
    "sharpness": _steps(
        lambda s: s.observation.quality.blur, (10, 40), ("blurred", "soft", "sharp")
    ),
    "pose": _steps(_turn, (HALF_TURNED, 0.25), ("frontal", "half turned", "turned")),
}
MEASURED_GROUPS = {
    "tone": _thirds(tone_of, ("darkest third", "middle third", "lightest third")),
    **{name: CONDITIONS[name] for name in ("size", "pose", "light")},
}


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Label by person id by column of a CSV with the column `person` and others.

    Raises
    ------
    UnusableLabels
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        columns = [name for name in rows[0] if name != "person"]
        return {
            name: {person_id_of(row["person"]): row[name] or NO_LABEL for row in rows}
            for name in columns
        }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, IndexError, AttributeError) as error:
        raise UnusableLabels(
            f"{path}: rows with the column person and a label are needed ({error!r})"
        ) from error


def labeled(labels: Mapping[str, Mapping[str, str]]) -> dict[str, GroupsOf]:
    def groups(of: Mapping[str, str]) -> GroupsOf:
        return lambda samples: [of.get(s.picture.person_id, NO_LABEL) for s in samples]

    return {name: groups(of) for name, of in labels.items()}


def by_part(
    answers: Mapping[str, Sequence[ModelAnswer]],
    groups: GroupsOf,
    gallery: Gallery,
    settings: Settings,
    seed: int = 0,
) -> dict[str, dict[str, object]]:
    """What the final decision and the distances say, apart for each group of probes, and what each
    model says by itself; `answers` by model, of the same probes in the same order.

    `false_matches` are comparisons with somebody else within the accept distance: the
    threshold is one for all but dim faces, so a group in which they are frequent bears the risk.
    """
    names = groups([answer.samples[0] for answer in answers[FINAL]])
    parts: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        parts[name].append(row)
    report: dict[str, dict[str, object]] = {}
    for name, rows in sorted(parts.items()):
        of = {model: [own[row] for row in rows] for model, own in answers.items()}
        asked = {model: trials(own, Counter()) for model, own in of.items()}
        report[name] = {
            **decisions(asked, seed),
            "false_matches": _false_matches(of[FINAL], gallery, settings, seed),
        }
    return report


def by_label(
    asked: Mapping[str, Sequence[OpenSetTrial]], of: Mapping[str, str], seed: int
) -> dict[str, dict[str, object]]:
    """The decisions, apart for each label; `of` is a person's, by their id."""
    parts: dict[str, dict[str, list[OpenSetTrial]]] = {}
    for model, own in asked.items():
        for one in own:
            models = parts.setdefault(of.get(one.subject, NO_LABEL), {name: [] for name in asked})
            models[model].append(one)
    return {name: decisions(of_part, seed) for name, of_part in sorted(parts.items())}


def decisions(asked: Mapping[str, Sequence[OpenSetTrial]], seed: int) -> dict[str, object]:
    """The shares of the final decision, and by name those of each model."""
    shares = {}
    for model, own in asked.items():
        shares[model] = open_set(own, seed)
        shares[model].pop("identified_at")
    final = shares.pop(FINAL)
    return {**final, **shares}


def _false_matches(
    answers: Sequence[ModelAnswer], gallery: Gallery, settings: Settings, seed: int
) -> dict[str, object]:
    compared = []
    accept = settings.accept_distance_among(len(gallery.people))
    for answer in answers:
        sample = answer.samples[0]
        added = settings.distance_added(sample.observation.quality.contrast)
        far = _strange_distances(answer, gallery) + added
        compared.append((sample.picture.person_id, int((far <= accept).sum()), len(far)))
    # Two people are alike or not, however many pictures there are of them.
    pairs = sum({person: others for person, _, others in compared}.values())
    return share_by_subject(compared, seed, digits=6, independent=pairs)


def _strange_distances(answer: ModelAnswer, gallery: Gallery) -> np.ndarray:
    far = gallery.distances(answer.samples[0].embedding)
    others = [index for index, person in enumerate(gallery.people) if person != answer.truth]
    return far[others]
