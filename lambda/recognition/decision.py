"""Who is it? Pure functions from what each frame says to one answer that can be: unknown.

Distances are float32 [frames, people], probabilities float32 [frames, labels].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.results import Status
from recognition.custom_model import Thresholds
from recognition.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """One model's answer for one face.

    `person_id` is set exactly when `status` is `recognized`; `nearest` is the best guess
    behind it, named or not. `score` in [0, 1] and `distance` (L2 at unit length, online model
    only) belong to that guess. The online model's score is a calibrated probability: how often
    such a guess is right when every other face is a stranger's, whatever the gallery's size.
    `is_sure` says that more frames would not change the answer.
    """

    status: Status
    person_id: str | None
    score: float
    distance: float | None
    nearest: str | None = None
    is_sure: bool = False


UNSEEN = Verdict(Status.UNKNOWN, None, 0.0, None, None, is_sure=True)


@dataclass(frozen=True)
class _Election:
    winner: int
    cost: float  # weighted mean over the frames
    lead: float  # by which the second best costs more
    share: float  # of the weight of all frames that voted
    votes: int


def decide_online(
    people: Sequence[str], distances: np.ndarray, weights: Sequence[float], settings: Settings
) -> Verdict:
    """The online model's answer from `distances` [frames, people] and each frame's weight."""
    if not len(people):
        return UNSEEN
    accept = settings.accept_distance_among(len(people))
    result = _elect(distances, weights, accept + settings.candidate_slack)
    is_named = (
        result.cost <= settings.accept_distance_among(len(people), len(distances))
        and result.lead >= settings.margin
        and result.share >= settings.vote_share
    )
    is_sure = (is_named and result.cost <= accept - settings.sure_slack) or (
        result.votes == 0 and len(distances) >= settings.sure_unknown_frames
    )
    score = settings.probability_of_right(result.cost, len(people))
    return _verdict(people[result.winner], is_named, score, result.cost, is_sure)


def decide_custom(
    labels: Sequence[str],
    probabilities: np.ndarray,
    weights: Sequence[float],
    thresholds: Thresholds,
    settings: Settings,
) -> Verdict:
    """The custom model's answer from `probabilities` [frames, labels]."""
    result = _elect(1 - probabilities, weights, 1 - thresholds.candidate)
    score = min(1.0, max(0.0, 1 - result.cost))
    is_named = (
        score >= thresholds.accept
        and result.lead >= thresholds.margin
        and result.share >= settings.vote_share
    )
    # A classifier is never sure by itself: it has learned nothing of people it never saw.
    return _verdict(labels[result.winner], is_named, score, None, is_sure=False)


def _elect(costs: np.ndarray, weights: Sequence[float], candidate: float) -> _Election:
    """Every frame votes, with its weight, for whom it finds cheapest, if cheap enough."""
    weight = np.asarray(weights, np.float64)
    mean = weight @ costs / weight.sum()
    choice = costs.argmin(1)
    may_vote = costs[np.arange(len(costs)), choice] <= candidate
    if not may_vote.any():
        winner, share = int(mean.argmin()), 0.0
    else:
        votes = np.bincount(choice[may_vote], weight[may_vote], minlength=costs.shape[1])
        winner = int(votes.argmax())
        share = float(votes[winner] / votes.sum())
    others = np.delete(mean, winner)
    lead = float(others.min() - mean[winner]) if len(others) else math.inf
    return _Election(winner, float(mean[winner]), lead, share, int(may_vote.sum()))


def _verdict(
    nearest: str, is_named: bool, score: float, distance: float | None, is_sure: bool
) -> Verdict:
    return Verdict(
        status=Status.RECOGNIZED if is_named else Status.UNKNOWN,
        person_id=nearest if is_named else None,
        score=round(score, 4),
        distance=None if distance is None else round(distance, 4),
        nearest=nearest,
        is_sure=is_sure,
    )


def final_person(
    online: Verdict, custom: Verdict, enrolled: Sequence[str], settings: Settings
) -> str | None:
    """The person both models stand for, or one names while the other is unsure.

    The online model is unsure as long as the custom model's person is also its nearest and
    hardly farther than accepted; beyond that it has looked at the person's own pictures
    and seen somebody else. The custom model can't contradict by silence: it does not know
    who was enrolled after its training. Without a gallery it decides alone.
    """
    if online.person_id and custom.person_id:
        return online.person_id if online.person_id == custom.person_id else None
    if online.person_id:
        return online.person_id
    if not custom.person_id or not len(enrolled):
        return custom.person_id
    is_unsure = (
        online.nearest == custom.person_id
        and online.distance is not None
        and online.distance <= settings.accept_distance_among(len(enrolled)) + settings.doubt_slack
    )
    return custom.person_id if is_unsure else None


def models_agree(online: Verdict, custom: Verdict) -> bool:
    """Whether both name the same person, or both name nobody."""
    return online.person_id == custom.person_id
