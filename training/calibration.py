"""Thresholds from scores: how sure must a model be before it names somebody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Never below: who is not more likely than everything else together is not named.
LEAST_ACCEPT = 0.5
# Never above: it would reject everybody, and says that the model can't tell people apart.
MOST_ACCEPT = 0.98
STRANGERS_NAMED_AT_MOST = 0.003
# A model that names nobody is of no use: where the share of strangers above would have it so,
# up to this share is allowed, and a warning says it.
STRANGERS_NAMED_IF_NEEDED = 0.02
# Of strangers who are made of the people's own faces, most of whom are harder to tell than real
# ones, but not by a rule (training/README.md). A result takes nobody's name from such a model
# against the online one, so what this costs is a wrong word of the custom model alone.
OWN_STRANGERS_NAMED_IF_NEEDED = 0.2
KNOWN_NAMED_AT_LEAST = 0.9
_CANDIDATE_SHARE = 0.5
_MARGIN = 0.1
# Below, a quantile is a matter of single faces.
_FEW_KNOWN, _FEW_STRANGERS = 20, 300


@dataclass(frozen=True)
class Calibration:
    """The thresholds, and what they do to the faces they were chosen on.

    `strangers_named` is the share of stranger faces at or above `accept`,
    `known_named` the share of known faces named rightly; None where there were none.
    `warnings` say where the numbers stand on little, or on pictures that contradict each other.
    """

    accept: float
    candidate: float
    margin: float
    strangers_named: float | None
    known_named: float | None
    warnings: tuple[str, ...] = ()


def calibrate(
    known: np.ndarray,
    owners: np.ndarray,
    strangers: np.ndarray,
    strangers_named_at_most: float = STRANGERS_NAMED_AT_MOST,
    *,
    named_if_needed: float = STRANGERS_NAMED_IF_NEEDED,
    pictures: int | None = None,
    real_strangers: int | None = None,
) -> Calibration:
    """Thresholds for probabilities `known` [n, people] of faces of person `owners` [n],
    and `strangers` [m, people].

    The known faces come from so many `pictures` that the fit has not seen, and so many of the
    strangers are real ones; None where every face is a picture of its own, and real.

    `accept` is the smallest at which no more than the given share of single stranger faces
    is named; lower, until the share `named_if_needed` is, when it would otherwise not name
    `KNOWN_NAMED_AT_LEAST` of the known faces. A clip's decision averages several faces and is
    stricter still.
    """
    top = np.sort(strangers.max(1)) if len(strangers) else np.zeros(0)
    own = known[np.arange(len(known)), owners] if len(known) else np.zeros(0)
    right = own[known.argmax(1) == owners] if len(known) else np.zeros(0)
    accept = strict = _above(top, strangers_named_at_most)
    if len(known):
        # The threshold at which enough known faces are named, where any does it.
        missing = len(known) - int(np.ceil(KNOWN_NAMED_AT_LEAST * len(known)))
        rank = missing - (len(known) - len(right))
        enough = float(np.sort(right)[rank]) if 0 <= rank < len(right) else 0.0
        accept = max(min(strict, enough), _above(top, named_if_needed))
    accept = round(accept, 4)
    named = float((right >= accept).sum() / len(known)) if len(known) else None
    passed = float((top >= accept).mean()) if len(top) else None
    return Calibration(
        accept=accept,
        candidate=round(accept * _CANDIDATE_SHARE, 4),
        margin=_MARGIN,
        strangers_named=passed,
        known_named=named,
        warnings=_warnings(
            len(known) if pictures is None else pictures,
            len(top) if real_strangers is None else real_strangers,
            named,
            passed,
            strangers_named_at_most,
        ),
    )


def _above(top: np.ndarray, share: float) -> float:
    """The smallest threshold that at most this share of sorted scores reaches."""
    if not len(top):
        return LEAST_ACCEPT
    allowed = min(int(share * len(top)), len(top) - 1)
    return float(np.clip(top[-1 - allowed] + 1e-3, LEAST_ACCEPT, MOST_ACCEPT))


def _warnings(
    known: int, strangers: int, named: float | None, passed: float | None, allowed: float
) -> tuple[str, ...]:
    said = []
    if known < _FEW_KNOWN:
        said.append(
            f"calibrated on {known} pictures of known people that were not trained on: add "
            "pictures, best of several days"
        )
    if strangers < _FEW_STRANGERS:
        said.append(f"calibrated on {strangers} faces of strangers: name --background")
    if passed is not None and passed > allowed:
        said.append(
            f"names {passed:.1%} of strangers, more than the {allowed:.1%} aimed at: stricter, it "
            "would not have named the people themselves. More or better pictures help"
        )
    if named is not None and named < KNOWN_NAMED_AT_LEAST:
        said.append(
            f"names only {named:.0%} of its own people's faces: pictures of one person that do "
            "not look alike, or of several people who do"
        )
    return tuple(said)
