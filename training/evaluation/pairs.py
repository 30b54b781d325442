"""Verification: do two pictures show the same person? Accuracy by 10-fold cross-validation."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from recognition.embedder import distance_between
from training.dataset import DatasetError, order
from training.faces import FaceSample

FOLDS = 10
_YES, _NO = ("1", "true", "yes", "same"), ("0", "false", "no", "different")
_MADE_AT_MOST = 3000


class UnusablePairs(DatasetError):
    """The pairs file has no columns a, b, same, or a value that can't be read."""


@dataclass(frozen=True)
class Pair:
    a: Path
    b: Path
    same: bool


@dataclass(frozen=True)
class PairFigures:
    """`accuracy` is the mean over the folds, each with the threshold (L2 distance) that was
    best on the others; `deviation` is over the folds. `threshold` is best on all pairs.
    Pairs with a face not found count as "different"; `without_face` says how many."""

    accuracy: float | None
    deviation: float | None
    threshold: float | None
    n: int
    same: int
    without_face: int
    source: str


def read_pairs(path: Path, data: Path) -> list[Pair]:
    """Rows of a CSV with columns a, b, same; paths relative to it, or to `data`.

    Raises
    ------
    UnusablePairs
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusablePairs(f"{path}: {error}") from error
    pairs = []
    for number, row in enumerate(rows, start=2):
        try:
            a, b, same = row["a"].strip(), row["b"].strip(), row["same"].strip().lower()
        except (KeyError, AttributeError) as error:
            raise UnusablePairs(f"{path}, line {number}: columns a, b, same are needed") from error
        if same not in (*_YES, *_NO):
            raise UnusablePairs(f"{path}, line {number}: same is {same!r}; write 1 or 0")
        pairs.append(Pair(_find(a, path, data), _find(b, path, data), same in _YES))
    if not pairs:
        raise UnusablePairs(f"{path} has no pairs")
    return pairs


def _find(name: str, table: Path, data: Path) -> Path:
    for candidate in (table.parent / name, data / name):
        if candidate.is_file():
            return candidate
    return table.parent / name


def made_pairs(samples: Sequence[FaceSample], seed: int = 0) -> list[Pair]:
    """All pairs of the same person, and as many of different people, at most 3000 of each."""
    # Named without the folder they lie in: the same pairs on every machine.
    by_name = {f"{one.picture.person_id}/{one.picture.family}": one.picture for one in samples}
    names = sorted(by_name)
    person = {name: picture.person_id for name, picture in by_name.items()}
    same = [f"{a}\n{b}" for a, b in combinations(names, 2) if person[a] == person[b]]
    same = order(same, seed)[:_MADE_AT_MOST]
    different: set[str] = set()
    random = np.random.default_rng(seed)
    # Among many people nearly every draw is of two; among few, the pairs may run out.
    for _ in range(20 * len(same) if len(names) > 1 else 0):
        a, b = sorted(random.choice(len(names), 2, replace=False).tolist())
        if person[names[a]] != person[names[b]]:
            different.add(f"{names[a]}\n{names[b]}")
        if len(different) == len(same):
            break
    return [
        Pair(by_name[a].path, by_name[b].path, is_same)
        for texts, is_same in ((same, True), (sorted(different), False))
        for a, b in (text.split("\n") for text in texts)
    ]


def verify(
    pairs: Sequence[Pair], embeddings: dict[Path, np.ndarray | None], source: str
) -> PairFigures:
    """Figures of `pairs`; `embeddings` has None for pictures without a face."""
    distances, same = [], []
    for pair in pairs:
        a, b = embeddings.get(pair.a), embeddings.get(pair.b)
        distances.append(np.inf if a is None or b is None else distance_between(a, b))
        same.append(pair.same)
    distance, is_same = np.array(distances), np.array(same, bool)
    accuracies = _folds(distance, is_same)
    return PairFigures(
        accuracy=round(float(np.mean(accuracies)), 4) if accuracies else None,
        deviation=round(float(np.std(accuracies)), 4) if accuracies else None,
        threshold=round(best_threshold(distance, is_same), 4) if len(pairs) else None,
        n=len(pairs),
        same=int(is_same.sum()),
        without_face=int(np.isinf(distance).sum()),
        source=source,
    )


def _folds(distance: np.ndarray, is_same: np.ndarray) -> list[float]:
    """Accuracy of each fold. Both kinds of pairs are dealt out in turn, in file order."""
    if len(distance) < 2:
        return []
    fold = np.empty(len(distance), int)
    for kind in (True, False):
        places = np.flatnonzero(is_same == kind)
        fold[places] = np.arange(len(places)) % FOLDS
    accuracies = []
    for index in range(FOLDS):
        held_out = fold == index
        if held_out.any() and (~held_out).any():
            threshold = best_threshold(distance[~held_out], is_same[~held_out])
            right = (distance[held_out] <= threshold) == is_same[held_out]
            accuracies.append(float(right.mean()))
    return accuracies


def best_threshold(distance: np.ndarray, is_same: np.ndarray) -> float:
    """The distance that separates best: the middle of the widest best gap's two sides."""
    finite = np.isfinite(distance)
    rank = np.argsort(distance[finite], kind="stable")
    ordered, same = distance[finite][rank], is_same[finite][rank]
    if not len(ordered):
        return 0.6
    # Accepting the first k: right are the same ones among them and the others behind.
    gain = np.concatenate([[0], np.cumsum(np.where(same, 1, -1))])
    # Between equal distances no threshold can cut.
    possible = np.concatenate([[True], np.diff(ordered) > 0, [True]])
    best = np.flatnonzero(possible & (gain == gain[possible].max()))
    edges = np.concatenate([[ordered[0] - 0.1], ordered, [ordered[-1] + 0.1]])
    k = int(best[np.argmax(edges[best + 1] - edges[best])])
    return float((edges[k] + edges[k + 1]) / 2)
