"""People who are not in the dataset, as embeddings: made up from how far faces lie apart.

A classifier that never saw a stranger names one with confidence. Users rarely have pictures
of strangers, and none may be shipped; but the embedding network spreads people in a way that
a few numbers describe. `Spread` holds these numbers; they identify nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

# Nearer than that, a stranger would be a twin.
_NEAREST = 0.21
_MOST_TOLD = 0.9


@dataclass(frozen=True)
class Spread:
    """Distances (L2) between dlib embeddings of unit length: mean and standard deviation.

    `within` is between two pictures of one person, `between` from a person's center to a
    picture of somebody else. Measured with `python -m training.measure_spread` on the AT&T
    faces (40 people, 10 pictures each); `within` is then widened, for those pictures of one
    person come from one room, and a camera's do not. `between` is fitted to how near the
    nearest stranger comes, which is what it is used for.
    """

    within_mean: float = 0.25
    within_deviation: float = 0.063
    between_mean: float = 0.505
    between_deviation: float = 0.053


def made_up_strangers(
    centers: np.ndarray, count: int, spread: Spread, random: np.random.Generator
) -> np.ndarray:
    """`count` embeddings of nobody, float32 [count, 128], around `centers` [people, 128].

    Of a stranger's distances to all people only the nearest matters, and with more people
    enrolled it gets nearer: it is the smallest of as many draws as there are people.
    """
    people = len(centers)
    # The smallest of n draws, from one draw: P(min > x) = P(draw > x)^n.
    rank = 1.0 - (1.0 - random.random(count)) ** (1.0 / people)
    between = NormalDist(spread.between_mean, spread.between_deviation)
    smallest = [between.inv_cdf(one) for one in rank.clip(1e-12, 1 - 1e-12)]
    nearest = np.maximum(smallest, _NEAREST)
    owner = random.integers(people, size=count)
    directions = _directions_between_people(centers, count, random)
    return (centers[owner] + nearest[:, None] * directions).astype(np.float32)


def _directions_between_people(
    centers: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """Unit vectors: the more people there are to tell in which directions people differ, the
    more they follow these; the rest is chance."""
    people, size = centers.shape
    anywhere = _directions(count, size, random)
    if people < 2:
        return anywhere
    mixed = random.normal(size=(count, people)) @ (centers - centers.mean(0))
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    # Dlib's embeddings of people fill about 20 dimensions evenly (participation ratio 19).
    told = min(_MOST_TOLD, (people - 1) / 20.0)
    both = np.sqrt(told) * mixed + np.sqrt(1.0 - told) * anywhere
    return both / np.linalg.norm(both, axis=1, keepdims=True)


def other_pictures(
    embeddings: np.ndarray, spread: Spread, random: np.random.Generator, strength: float = 1.0
) -> np.ndarray:
    """Each embedding moved to where another picture of the same person may well lie.

    Augmented pixels alone move it less than another day, another light, another age does.
    """
    count, size = embeddings.shape
    distance = random.normal(spread.within_mean, spread.within_deviation, count)
    step = strength * np.clip(distance, 0.0, None) * random.random(count)
    return (embeddings + step[:, None] * _directions(count, size, random)).astype(np.float32)


def _directions(count: int, size: int, random: np.random.Generator) -> np.ndarray:
    directions = random.normal(size=(count, size))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)
