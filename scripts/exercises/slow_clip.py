"""Exercise 3: a slow clip, the stage that made it so, and the cause taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.exercises.exercise import ConditionSeen
from scripts.exercises.lab_view import LabView
from scripts.traces.clip_line import ClipLine
from scripts.traces.waterfall import SpanRow, Waterfall, waterfall

NUMBER = 3
# What others lie within is no stage of its own.
WHOLES = ("answer", "recognize")


def look(lab: LabView, given: Mapping[str, Any]) -> Iterator[ConditionSeen]:
    lines = lab.clips()
    yield ConditionSeen("traced", len(lines) >= given["clips"], f"{len(lines)} clips")
    said = lab.answer(NUMBER)
    if said is None:
        yield ConditionSeen("named", False, f"{lab.answer_file(NUMBER)} is not there")
        return
    clip = str(said.get("clip", ""))
    line = next((one for one in lines if clip and one.clip_id.endswith(clip)), None)
    if line is None:
        yield ConditionSeen(
            "named", False, f"clip: {clip or 'nothing'}; no trace of the day is called so"
        )
        return
    yield ConditionSeen("named", True, line.clip_id)
    found = _life(lab, line)
    yield ConditionSeen(
        "slow", found.total_ms >= given["slow_ms"], f"it took {found.total_ms:.0f} ms"
    )
    yield _stage(str(said.get("stage", "")), found)
    later = [one for one in lines if one.device_id == line.device_id][-given["fast_clips"] :]
    lives = [_life(lab, one) for one in later]
    slowest_ms = max(one.total_ms for one in lives)
    # A clip that nobody showed has not come back, however soon the function was done with it.
    unseen = sum(all(row.name != "print" for row in one.rows) for one in lives)
    is_fast = len(later) == given["fast_clips"] and slowest_ms < given["fast_ms"] and not unseen
    told = f"the slowest of the newest {len(later)} took {slowest_ms:.0f} ms"
    if unseen:
        told += f", and {unseen} of them were shown by no `messages`"
    yield ConditionSeen("fast", is_fast, told)


def _life(lab: LabView, line: ClipLine) -> Waterfall:
    return waterfall(line, lab.spans(line.device_id).get(line.clip_id, ()))


def _stage(stage: str, found: Waterfall) -> ConditionSeen:
    """Whether the stage is the longest; which one is, stays the student's to find."""
    rows: list[SpanRow] = [row for row in found.rows if row.name not in WHOLES]
    mine = next((row for row in rows if stage.casefold() in (row.name, row.label.casefold())), None)
    if mine is None:
        return ConditionSeen(
            "stage", False, f"stage: {stage or 'nothing'}; the trace has none of that name"
        )
    longer = sum(row.duration_ms > mine.duration_ms for row in rows)
    took = f"{mine.label} took {mine.duration_ms:.0f} ms"
    return ConditionSeen("stage", not longer, f"{took}, {longer} took longer" if longer else took)
