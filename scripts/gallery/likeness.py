"""How near two faces are when one person shows both, and when two people are mixed up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recognition import Settings


@dataclass(frozen=True)
class Likeness:
    """L2 distances of embeddings, taken from the thresholds that recognition is calibrated to.

    Two pictures of one person lie within `same`; people nearer than `lookalike` would be
    named in each other's place.
    """

    same: float
    lookalike: float


_SETTINGS = Settings()
LIKENESS = Likeness(
    same=_SETTINGS.accept_distance + _SETTINGS.candidate_slack,
    lookalike=_SETTINGS.accept_distance - _SETTINGS.sure_slack,
)


def distances_between(embeddings: np.ndarray) -> np.ndarray:
    """L2 between any two of embeddings [n, 128]: [n, n]."""
    return np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
