"""Is a proposal network that was made again as good as the one that is used? A file is the same
again where every sum is rounded alike, which another processor or library need not do; then what
counts is compared: which of the teacher's faces are proposed, and how many other places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition import Settings
from recognition.runtime import open_session

# How much recall a network may lose, how many places more it may propose, and how far its answers
# may lie from the other's in the mean, and still be as good.
RECALL_LOST_AT_MOST, PLACES_MORE_AT_MOST, APART_AT_MOST = 0.01, 0.2, 0.03
# The cell of the student's answers that is the teacher's first.
_FIRST_CELL = 2
_AT_ONCE = 50
_A_FACE = 0.5


@dataclass(frozen=True)
class Proposing:
    """Of so many `faces` of the teacher's the share that is proposed (`recall`), and of all cells
    without a face the share that is proposed, too (`places`)."""

    faces: int
    recall: float
    places: float


@dataclass(frozen=True)
class ProposalComparison:
    """How both networks propose, and how far apart their answers are, as probabilities, in the mean
    over all cells in which one of them proposes."""

    made: Proposing
    used: Proposing
    apart: float

    @property
    def is_as_good(self) -> bool:
        return (
            self.made.recall >= self.used.recall - RECALL_LOST_AT_MOST
            and self.made.places <= self.used.places * (1 + PLACES_MORE_AT_MOST)
            and self.apart <= APART_AT_MOST
        )

    def __str__(self) -> str:
        def told(one: Proposing) -> str:
            return f"{one.recall:.1%} of {one.faces} faces and {one.places:.2%} of the rest"

        return (
            f"proposes {told(self.made)}, the one that is used {told(self.used)}; "
            f"answers {self.apart:.4f} apart"
        )


def likeness(
    made: bytes | Path, used: bytes | Path, lessons: tuple[np.ndarray, np.ndarray]
) -> ProposalComparison:
    """Of two networks' files, on scenes that neither learned from: `lessons` are uint8
    [n, 128, 128, 3] and the teacher's goals, float32 [n, 29, 29] in [0, 1]."""
    pictures, goals = lessons
    answers = [_answers(network, pictures, goals.shape[1]) for network in (made, used)]
    least = Settings().proposal_score
    where = np.maximum(*answers) >= least
    apart = np.abs(np.subtract(*(1 / (1 + np.exp(-one)) for one in answers)))
    return ProposalComparison(
        _proposing(answers[0] >= least, goals),
        _proposing(answers[1] >= least, goals),
        float(apart[where].mean()) if where.any() else 0.0,
    )


def _answers(network: bytes | Path, pictures: np.ndarray, cells: int) -> np.ndarray:
    """Log-odds [n, cells, cells]."""
    session = open_session(network)
    inside = slice(_FIRST_CELL, _FIRST_CELL + cells)
    parts = [
        session.run(None, {"pictures": pictures[start : start + _AT_ONCE]})[0][:, 0, inside, inside]
        for start in range(0, len(pictures), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _proposing(proposed: np.ndarray, goals: np.ndarray) -> Proposing:
    found = total = 0
    for cells, goal in zip(proposed, goals, strict=True):
        faces, places = cv2.connectedComponents((goal > _A_FACE).astype(np.uint8))
        total += faces - 1  # 0 is the rest
        found += len(np.unique(places[cells & (places > 0)]))
    rest = goals <= _A_FACE
    return Proposing(total, found / max(1, total), float(proposed[rest].mean()))
