"""Figures from answers. Every function says what is counted, and what a missing face means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.answers import ModelAnswer

STRANGER, UNKNOWN, NO_FACE = "(stranger)", "(unknown)", "(no face)"


@dataclass(frozen=True)
class Comparisons:
    """One-to-one scores: of faces with their own person, and with everybody else.

    A known probe without a found face counts as a genuine comparison of score -inf: whoever
    is not seen is not accepted.
    """

    genuine: np.ndarray
    impostor: np.ndarray

    def true_accepts(self, false_accept_rate: float) -> float | None:
        """Share of genuine comparisons accepted where at most that share of impostors is.

        None when there is nothing to compare. With fewer than 1 / rate impostors no false
        accept at all is allowed, and the figure says little: see their number.
        """
        if not len(self.genuine) or not len(self.impostor):
            return None
        ranked = np.sort(self.impostor)[::-1]
        allowed = math.floor(false_accept_rate * len(ranked) + 1e-9)
        # Strictly above the first impostor who must not pass.
        return float((self.genuine > ranked[allowed]).mean()) if allowed < len(ranked) else 1.0

    def curve(self, points: int = 60) -> list[tuple[float, float]]:
        """(false accept rate, true accept rate), the rates from 1/n up to 1, for a drawing."""
        if not len(self.genuine) or not len(self.impostor):
            return []
        rates = np.geomspace(1 / len(self.impostor), 1.0, points)
        return [(float(rate), self.true_accepts(float(rate)) or 0.0) for rate in rates]


def compare(answers: Sequence[ModelAnswer], people: Sequence[str], missed: int) -> Comparisons:
    """Every answer against every person; `missed` known probes had no face."""
    column = {person: index for index, person in enumerate(people)}
    genuine: list[float] = [-np.inf] * missed
    impostor: list[float] = []
    for answer in answers:
        own = column.get(answer.truth) if answer.truth else None
        for index, score in enumerate(answer.scores):
            (genuine if index == own else impostor).append(float(score))
        if answer.truth and own is None:
            genuine.append(-np.inf)  # enrolled, but this model does not know them
    return Comparisons(np.array(genuine), np.array(impostor))


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def interval(part: int, whole: int) -> tuple[float, float] | None:
    """95 % Wilson interval of a share: what so few probes can tell at all."""
    if not whole:
        return None
    z, p = 1.96, part / whole
    center = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole**2)) / (1 + z * z / whole)
    return round(max(0.0, center - half), 4), round(min(1.0, center + half), 4)


def confusion(
    answers: Sequence[ModelAnswer], people: Sequence[str], missed_by_person: dict[str | None, int]
) -> dict[str, object]:
    """Decisions as counts: a row for each person and strangers, a column for each answer."""
    rows = [*people, STRANGER]
    columns = [*people, UNKNOWN, NO_FACE]
    counts = np.zeros((len(rows), len(columns)), int)
    place = {person: index for index, person in enumerate(people)}
    for answer in answers:
        row = place.get(answer.truth, len(people)) if answer.truth else len(people)
        column = place.get(answer.named, len(people)) if answer.named else len(people)
        counts[row, column] += 1
    for truth, missed in missed_by_person.items():
        counts[place.get(truth, len(people)) if truth else len(people), -1] += missed
    return {"rows": rows, "columns": columns, "counts": counts.tolist()}


def figures(
    answers: Sequence[ModelAnswer],
    people: Sequence[str],
    missed_by_person: dict[str | None, int],
    pictures_without_face: int,
    pictures: int,
) -> dict[str, object]:
    """All figures of one model.

    `rank1`: known probes whose best guess is right, whatever the threshold; `named_right`
    and `named_wrong`: what the decision said of them (missing faces are neither right nor
    wrong, but count in the whole). `stranger_rejection`: stranger faces not named.
    `no_detection_rate`: readable pictures, enrollment included, in which no face was found.
    """
    known = [answer for answer in answers if answer.truth]
    strangers = [answer for answer in answers if not answer.truth]
    missed = sum(count for truth, count in missed_by_person.items() if truth)
    asked = len(known) + missed
    first = sum(answer.nearest == answer.truth for answer in known)
    right = sum(answer.named == answer.truth for answer in known)
    wrong = sum(answer.named not in (None, answer.truth) for answer in known)
    rejected = sum(answer.named is None for answer in strangers)
    comparisons = compare(answers, people, missed)
    return {
        "rank1": share(first, asked),
        "rank1_of_found": share(first, len(known)),
        "named_right": share(right, asked),
        "named_wrong": share(wrong, asked),
        "tar_at_far_1pct": _rounded(comparisons.true_accepts(0.01)),
        "tar_at_far_01pct": _rounded(comparisons.true_accepts(0.001)),
        "stranger_rejection": share(rejected, len(strangers)),
        "no_detection_rate": share(pictures_without_face, pictures),
        "n": {
            "known": asked,
            "strangers": len(strangers),
            "genuine_comparisons": len(comparisons.genuine),
            "impostor_comparisons": len(comparisons.impostor),
            "pictures": pictures,
        },
        "interval_95": {
            "rank1": interval(first, asked),
            "named_right": interval(right, asked),
            "stranger_rejection": interval(rejected, len(strangers)),
        },
        "confusion": confusion(answers, people, missed_by_person),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
