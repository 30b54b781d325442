"""Faces of people who are nobody, as pictures: made of the faces of the people themselves.

A made-up person is two people joined in one way, or one with other proportions, whatever picture
of them is taken: so a network can learn who they are, as it learns who people are.

A network that starts from nothing can take each trace of the making for what makes a stranger: a
seam, a blur, a bent line. So the faces of the people go through the same hands, only that nothing
of who they are is changed: two pictures of one person are put together where for a stranger
those of two people are, and a face is bent a little where a stranger's is bent a lot.

Faces are aligned, uint8 RGB [side, side, 3].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

# How far a face is bent, root mean square over it, in shares of its side. A turned head or another
# expression bends it up to the first; another person's proportions differ by the second.
_SAME_BENT, _OTHER_BENT = (0.0, 0.012), (0.025, 0.05)
_GRID = 5
# What is more than that somebody's is theirs.
_HALF = (0.42, 0.58)
_EVEN = 0.7
_JOINED_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class MadeUpPerson:
    """Nobody, of one or two `parents` (numbers of people): what of the first shows where, in [0, 1]
    [side or 1, side or 1, 1], and how the face is bent, px [side, side, 2]."""

    parents: tuple[int, ...]
    first_shows: np.ndarray
    bend: np.ndarray

    @classmethod
    def born(cls, owners: np.ndarray, side: int, random: np.random.Generator) -> MadeUpPerson:
        """Of the people that `owners` [n] numbers."""
        people = np.unique(owners)
        is_joined = len(people) > 1 and random.random() < _JOINED_SHARE
        parents = random.choice(people, 2 if is_joined else 1, replace=False)
        by = _SAME_BENT if is_joined and random.random() < 0.5 else _OTHER_BENT
        return cls(tuple(parents.tolist()), _seam(side, random), _bend(side, by, random))

    def picture(
        self, chips: list[np.ndarray], owners: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """A face of this person, made of pictures of the parents."""
        taken = [chips[int(random.choice(np.flatnonzero(owners == one)))] for one in self.parents]
        return _bent(_joined(taken[0], taken[-1], self.first_shows), self.bend)


def another_look(
    chips: list[np.ndarray], owners: np.ndarray, row: int, random: np.random.Generator
) -> np.ndarray:
    """The person of `row` in a picture that was made as a made-up person's is."""
    face = chips[row]
    side = len(face)
    if random.random() < _JOINED_SHARE:
        own = chips[int(random.choice(np.flatnonzero(owners == owners[row])))]
        face = _joined(face, own, _seam(side, random))
    return _bent(face, _bend(side, _SAME_BENT, random))


def _seam(side: int, random: np.random.Generator) -> np.ndarray:
    """One half of each, above one another or side by side, or one shining through the other."""
    if random.random() < 0.4:
        return np.full((1, 1, 1), random.uniform(*_HALF), np.float32)
    seam = random.uniform(*_HALF) * side
    softness = random.uniform(0.02, 0.2) * side
    line = 1 / (1 + np.exp(-(np.arange(side, dtype=np.float32) - seam) / softness))
    return line[:, None, None] if random.random() < 0.6 else line[None, :, None]


def _joined(first: np.ndarray, second: np.ndarray, first_shows: np.ndarray) -> np.ndarray:
    if first is second:
        return first
    mixed = second + (first.astype(np.float32) - second) * first_shows
    return np.rint(mixed, out=mixed).astype(np.uint8)


def _bend(side: int, by: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """Features moved against each other, px [side, side, 2]; what only moves, turns or scales a
    face is left out."""
    moves = random.standard_normal((_GRID, _GRID, 2), np.float32)
    if random.random() < _EVEN:  # both halves alike, as in a face
        moves += moves[:, ::-1] * np.array((1, -1), np.float32)
    table = (_without_plane() @ moves.reshape(-1, 2)).reshape(_GRID, _GRID, 2)
    wide = cv2.resize(table, (side, side), interpolation=cv2.INTER_CUBIC)
    reach = random.uniform(*by) * side / np.sqrt((wide**2).sum(2).mean())
    return np.asarray(np.float32(reach) * wide)


@cache
def _without_plane() -> np.ndarray:
    """What takes from moves on the grid all that moves, turns or scales it: float32 [25, 25]."""
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, _GRID)] * 2, indexing="ij"), -1)
    plane = np.concatenate([places.reshape(-1, 2), np.ones((_GRID**2, 1))], axis=1)
    return (np.eye(_GRID**2) - plane @ np.linalg.pinv(plane)).astype(np.float32)


def _bent(face: np.ndarray, bend: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: len(face), : len(face)].astype(np.float32)
    return cv2.remap(
        face,
        x + bend[..., 1],
        y + bend[..., 0],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
