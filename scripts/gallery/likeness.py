"""How near two faces are when one person shows both, and when two people are mixed up."""

from __future__ import annotations

from dataclasses import dataclass

from recognition import Settings


@dataclass(frozen=True)
class Likeness:
    """L2 distances of embeddings at unit length, from the thresholds that recognition uses.

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
