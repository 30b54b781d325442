"""An exercise as its row in exercises.yaml describes it, and what a look at it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scripts.errors import LabError

EXERCISES = Path(__file__).parent / "exercises.yaml"


class UnknownExercise(LabError):
    """No exercise of that number."""


@dataclass(frozen=True)
class ConditionSeen:
    """What a look at one condition found; `name` is the condition's."""

    name: str
    is_met: bool
    found: str


@dataclass(frozen=True)
class Condition:
    """What must be true, and what to do while it is not."""

    name: str
    says: str
    hint: str


@dataclass(frozen=True)
class Exercise:
    """`look` names the module that looks, `given` is what it measures by."""

    number: int
    title: str
    look: str
    given: Mapping[str, Any]
    conditions: tuple[Condition, ...]


@cache
def exercises() -> tuple[Exercise, ...]:
    """All of them, in their order."""
    rows = yaml.safe_load(EXERCISES.read_text("utf-8"))
    return tuple(
        Exercise(
            row["number"],
            row["title"],
            row["look"],
            row["given"],
            tuple(Condition(name, **said) for name, said in row["conditions"].items()),
        )
        for row in rows
    )


def exercise(number: int) -> Exercise:
    """
    Raises
    ------
    UnknownExercise
    """
    found = next((one for one in exercises() if one.number == number), None)
    if found is None:
        raise UnknownExercise(
            f"there is no exercise {number}", f"EXERCISE= takes 1 to {len(exercises())}"
        )
    return found
