"""How far faces lie apart in a dataset: the numbers behind `strangers.Spread`.

Prints distances (L2) within and between people, and how near strangers come to enrolled
people: real ones, and those that `strangers.py` makes up for the same people. Only such
figures may leave this command; embeddings of people never do.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import TypedDict

import numpy as np

from recognition import RecognitionError, load_recognizer
from recognition.embedder import unit_length
from training.dataset import read_tree
from training.evaluation.plan import make_plan
from training.faces import find_faces
from training.strangers import Spread, made_up_strangers
from training.tree import ToolError, complain, folder

ROOT = Path(__file__).resolve().parent.parent
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75)
_DRAWS = 6
_MADE_UP = 4000


class TooFewPeople(ToolError):
    """A spread between people needs several of them, with several pictures each."""


class SpreadFigures(TypedDict):
    """`within` and `between` are distances: mean, deviation."""

    people: int
    pictures: int
    within: list[float]
    between: list[float]


def measure(people: dict[str, np.ndarray]) -> SpreadFigures:
    """Distances among embeddings [n, 128] of unit length, by person: `within` is between two
    pictures of one person, `between` from the mean of one to a picture of another; (mean,
    deviation) each.

    Raises
    ------
    TooFewPeople
    """
    several = {person: own for person, own in people.items() if len(own) > 1}
    if len(several) < 2:
        raise TooFewPeople("at least two people with two pictures each are needed")
    within = [np.linalg.norm(a - b) for own in several.values() for a, b in combinations(own, 2)]
    between = np.concatenate(
        [
            np.linalg.norm(theirs - own.mean(0), axis=1)
            for person, own in several.items()
            for other, theirs in several.items()
            if other != person
        ]
    )
    return {
        "people": len(several),
        "pictures": sum(map(len, several.values())),
        "within": _summary(np.array(within)),
        "between": _summary(between),
    }


def nearest(strangers: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Each stranger's distance [n] to the nearest center."""
    return np.linalg.norm(strangers[:, None] - centers[None], axis=2).min(1)


def _summary(distances: np.ndarray) -> list[float]:
    return [round(float(distances.mean()), 3), round(float(distances.std()), 3)]


def _quantiles(distances: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(distances, QUANTILES)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.measure_spread",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=folder, required=True, help="a folder for each person")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        tree = read_tree(options.data)
        recognizer = load_recognizer(options.models)
        pictures = [picture for own in tree.values() for picture in own]
        samples = find_faces(recognizer, pictures, "find faces").samples
        by_path = {sample.picture.path: unit_length(sample.embedding) for sample in samples}
        people = {
            person: np.array([by_path[one.path] for one in own if one.path in by_path])
            for person, own in tree.items()
        }
        figures = measure(people)
    except (ToolError, RecognitionError) as error:
        return complain(error)
    real, made_up, random = [], [], np.random.default_rng(0)
    for seed in range(_DRAWS):
        plan = make_plan(tree, seed=seed)
        enrolled = [
            [by_path[one.path] for one in plan.enrollment[person] if one.path in by_path]
            for person in plan.people
        ]
        centers = np.array([np.mean(own, axis=0) for own in enrolled if own])
        strangers = [by_path[one.path] for one in plan.strangers if one.path in by_path]
        if strangers:
            real.append(nearest(np.array(strangers), centers))
        made_up.append(nearest(made_up_strangers(centers, _MADE_UP, Spread(), random), centers))
    quantiles = {
        "at": QUANTILES,
        "real": _quantiles(np.concatenate(real)) if real else None,
        "made_up": _quantiles(np.concatenate(made_up)),
    }
    if options.json:
        print(json.dumps({**figures, "nearest_stranger_quantiles": quantiles}))
        return 0
    print(f"{figures['pictures']} pictures of {figures['people']} people")
    for name, (mean, deviation) in (
        ("within", figures["within"]),
        ("between", figures["between"]),
    ):
        print(f"{name:8} {mean:.3f} ± {deviation:.3f}")
    for name, values in quantiles.items():
        print(f"nearest stranger, {name:8} {values}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
