"""Exercise 2: a threshold was too strict, then too loose, and is sound again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from contract.results import Status
from recognition import Settings
from scripts.exercises.exercise import ConditionSeen
from scripts.exercises.lab_view import LabView

NAMED, STRANGER, TOO_STRICT, TOO_LOOSE = "named", "stranger", "too strict", "too loose"


def look(lab: LabView, given: Mapping[str, Any]) -> Iterator[ConditionSeen]:
    judged = [
        (line.clip_id, word)
        for line in lab.clips()
        for face in line.faces
        if (word := _judge(face.online.status, face.online.distance, given))
    ]
    for name, word in (("too_strict", TOO_STRICT), ("too_loose", TOO_LOOSE)):
        clips = [clip_id for clip_id, one in judged if one == word]
        yield ConditionSeen(
            name, bool(clips), f"{len(clips)} clips" + (f", {clips[-1]} say" if clips else "")
        )
    # A film ends with people whom a loose threshold names rightly, too: only a stranger who
    # stayed one, and somebody who was named, say together that it is neither.
    right = list(takewhile((NAMED, STRANGER).__contains__, (word for _, word in reversed(judged))))
    is_mended = len(right) >= given["faces"] and {*right} == {NAMED, STRANGER}
    told = f"{len(right)} clear faces since then, {right.count(STRANGER)} of strangers"
    yield ConditionSeen("mended", is_mended, told)
    here = Settings().accept_distance
    is_sound = here == given["accept_distance"]
    yield ConditionSeen("checkout", is_sound, f"{here}; sound is {given['accept_distance']}")


def _judge(status: str, distance: float | None, given: Mapping[str, Any]) -> str:
    """What the answer on a face says of the threshold; nothing where the face is no clear case."""
    is_named = status == Status.RECOGNIZED
    if distance is None or status not in (Status.RECOGNIZED, Status.UNKNOWN):
        return ""
    if distance <= given["same"]:
        return NAMED if is_named else TOO_STRICT
    if distance >= given["other"]:
        return TOO_LOOSE if is_named else STRANGER
    return ""
