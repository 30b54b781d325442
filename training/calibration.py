"""Thresholds from scores: how sure must a model be before it names somebody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Never below: who is not clearly more likely than everything else together is not named.
LEAST_ACCEPT = 0.6
# Never above: it would reject everybody, and says that the model can't tell people apart.
MOST_ACCEPT = 0.98
STRANGERS_NAMED_AT_MOST = 0.003
_CANDIDATE_SHARE = 0.5
_MARGIN = 0.1


@dataclass(frozen=True)
class Calibration:
    """The thresholds, and what they do to the faces they were chosen on.

    `strangers_named` is the share of stranger faces at or above `accept`,
    `known_named` the share of known faces named rightly; None where there were none.
    """

    accept: float
    candidate: float
    margin: float
    strangers_named: float | None
    known_named: float | None


def calibrate(
    known: np.ndarray,
    owners: np.ndarray,
    strangers: np.ndarray,
    strangers_named_at_most: float = STRANGERS_NAMED_AT_MOST,
) -> Calibration:
    """Thresholds for probabilities `known` [n, people] of faces of person `owners` [n],
    and `strangers` [m, people].

    `accept` is the smallest at which no more than the given share of single stranger faces
    is named. A clip's decision averages several faces and is stricter still.
    """
    top = np.sort(strangers.max(1)) if len(strangers) else np.zeros(0)
    accept = LEAST_ACCEPT
    if len(top):
        allowed = int(strangers_named_at_most * len(top))
        accept = float(np.clip(top[-1 - allowed] + 1e-3, LEAST_ACCEPT, MOST_ACCEPT))
    accept = round(accept, 4)
    named_right = (known.argmax(1) == owners) & (known.max(1) >= accept) if len(known) else None
    return Calibration(
        accept=accept,
        candidate=round(accept * _CANDIDATE_SHARE, 4),
        margin=_MARGIN,
        strangers_named=float((top >= accept).mean()) if len(top) else None,
        known_named=float(named_right.mean()) if named_right is not None else None,
    )
