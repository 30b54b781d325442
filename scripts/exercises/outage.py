"""Exercise 5: clips that waited for a network that was gone, all of them delivered and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contract.spans import Span
from scripts.exercises.exercise import ConditionSeen
from scripts.exercises.lab_view import LabView

NUMBER = 5
GONE_WRONG = ("waiting", "refused", "damaged")


def look(lab: LabView, given: Mapping[str, Any]) -> Iterator[ConditionSeen]:
    device_id: str = given["device"]
    recorded = {
        clip_id: spans
        for clip_id, spans in lab.spans(device_id).items()
        if _ends_ms(spans, "record")
    }
    yield ConditionSeen("recorded", len(recorded) >= given["clips"], f"{len(recorded)} clips")
    waited = [_waited_s(spans) for spans in recorded.values()]
    long = [seconds for seconds in waited if seconds >= given["waited_s"]]
    longest_s = max(waited, default=0.0)
    yield ConditionSeen(
        "lost", len(long) >= given["waiting"], f"{len(long)} clips, the longest {longest_s:.1f} s"
    )
    yield _delivered(recorded, lab.spooled(device_id))
    shown = [len(_ends_ms(spans, "print")) for spans in recorded.values()]
    told = f"{shown.count(0)} were never shown, {sum(one > 1 for one in shown)} more than once"
    yield ConditionSeen("once", bool(shown) and set(shown) == {1}, told)
    yield _proof(lab, len(recorded), sum(map(bool, shown)))


def _ends_ms(spans: list[Span], name: str) -> list[float]:
    return [span.end_ms for span in spans if span.name == name]


def _waited_s(spans: list[Span]) -> float:
    """From the clip's end to its arrival in S3."""
    uploaded_ms = _ends_ms(spans, "upload")
    return (max(uploaded_ms) - min(_ends_ms(spans, "record"))) / 1000 if uploaded_ms else 0.0


def _delivered(recorded: Mapping[str, list[Span]], spooled: Mapping[str, int]) -> ConditionSeen:
    missing = sum(not _ends_ms(spans, "upload") for spans in recorded.values())
    left = {what: spooled.get(what, 0) for what in GONE_WRONG}
    told = [f"{missing} not uploaded", *(f"{count} {what}" for what, count in left.items())]
    is_met = bool(recorded) and not missing and not any(left.values())
    return ConditionSeen("delivered", is_met, ", ".join(told))


def _proof(lab: LabView, recorded: int, shown: int) -> ConditionSeen:
    said = lab.answer(NUMBER)
    if said is None:
        return ConditionSeen("proof", False, f"{lab.answer_file(NUMBER)} is not there")
    told = f"recorded: {said.get('recorded')}, shown: {said.get('shown')}"
    is_right = recorded > 0 and (said.get("recorded"), said.get("shown")) == (recorded, shown)
    return ConditionSeen(
        "proof", is_right, told if is_right else f"{told}; the traces say otherwise"
    )
