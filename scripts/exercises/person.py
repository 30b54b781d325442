"""Exercise 1: somebody new is known to the function."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from contract.results import Status
from scripts.exercises.exercise import ConditionSeen
from scripts.exercises.lab_view import LabView
from scripts.paths import ROOT


def look(lab: LabView, given: Mapping[str, Any]) -> Iterator[ConditionSeen]:
    seeded = json.loads((ROOT / "fixtures" / "roster.json").read_text("utf-8"))
    at_first = {one["person_id"] for one in seeded}
    new = {one.person_id: one.name for one in lab.people() if one.person_id not in at_first}
    yield ConditionSeen(
        "enrolled", bool(new), ", ".join(new.values()) or "only those of fixtures/roster.json"
    )
    looks = {one: lab.looks().get(one, 0) for one in new}
    told = ", ".join(f"{new[one]}, embeddings: {count}" for one, count in looks.items())
    yield ConditionSeen(
        "known", max(looks.values(), default=0) >= given["looks"], told or "nobody new"
    )
    times = _times_named(lab)
    told = ", ".join(f"{name}, clips: {times[one]}" for one, name in new.items())
    most = max((times[one] for one in new), default=0)
    yield ConditionSeen("recognized", most >= given["clips"], told or "nobody new")


def _times_named(lab: LabView) -> Counter[str]:
    """In how many clips the function's final answer was that person."""
    lines = lab.clips()
    rows = lab.named(lines)
    times: Counter[str] = Counter()
    for line in lines:
        ids = rows.get(line.row, ())
        if len(ids) != line.people:  # somebody was forgotten: the ordinals mean nothing
            continue
        named = (one.person for one in line.faces if one.status == Status.RECOGNIZED)
        times.update({ids[one] for one in named if one is not None and one < len(ids)})
    return times
