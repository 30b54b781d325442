"""Is an exercise solved? Every condition in its order, those after a gap not looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scripts.exercises import outage, own_function, paper, person, slow_clip, threshold
from scripts.exercises.exercise import Condition, ConditionSeen, Exercise
from scripts.exercises.lab_view import LabView

# Each gives a `ConditionSeen` for every condition, in their order, and may stop where no more
# can be seen.
LOOKS: dict[str, Callable[[LabView, Mapping[str, Any]], Iterator[ConditionSeen]]] = {
    "person": person.look,
    "threshold": threshold.look,
    "slow_clip": slow_clip.look,
    "own_function": own_function.look,
    "outage": outage.look,
    "paper": paper.look,
}


@dataclass(frozen=True)
class Checked:
    """One condition, and whether it is met."""

    condition: Condition
    is_met: bool
    found: str


@dataclass(frozen=True)
class CheckedExercise:
    exercise: Exercise
    checked: tuple[Checked, ...]

    @property
    def is_solved(self) -> bool:
        return all(one.is_met for one in self.checked)

    def to_fields(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "exercise": self.exercise.number,
            "title": self.exercise.title,
            "solved": self.is_solved,
            "conditions": [
                {**asdict(one.condition), "met": one.is_met, "found": one.found}
                for one in self.checked
            ],
        }


def check(exercise: Exercise, lab: LabView) -> CheckedExercise:
    """Look at the lab."""
    seen = {one.name: one for one in LOOKS[exercise.look](lab, exercise.given)}
    unseen = "not looked at: what comes before it is missing"
    return CheckedExercise(
        exercise,
        tuple(
            Checked(one, seen[one.name].is_met, seen[one.name].found)
            if one.name in seen
            else Checked(one, False, unseen)
            for one in exercise.conditions
        ),
    )
