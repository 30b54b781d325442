"""A run of the whole loop as a page: every clip with its picture, beside what was said of it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from contract.results import Result
from scripts.e2e.truth import ClipTruth, Comparison, names
from scripts.report.correctness import NOTHING_CAME, WRONG, correctness
from scripts.report.page import ClipRow, Point, Report
from scripts.report.thumbnails import thumbnail

# In the order in which a clip passes through; recognize is the sum of what follows it.
STAGES = ("fetch", "refresh", "decode", "detect", "align", "embed", "decide", "look_up", "claim")


def e2e_report(run: Comparison, facts: dict[str, Any], cuts: Sequence[bytes]) -> Report:
    """`facts` is the content of out/e2e.json, `cuts` are the clips' bytes by index."""
    answered = [(clip, run.answers[clip.index]) for clip in run.truth if clip.index in run.answers]
    latency = facts["latency_ms"]["clip_end"] or {"p50": 0, "p95": 0}
    single = facts["single_person_clips"]
    failures = run.failures()
    return Report(
        title=f"The whole loop, {facts['backend']}",
        ok=not failures,
        problems=failures,
        figures=[
            ("answered", f"{facts['answered']} of {facts['clips']}"),
            ("shown twice", str(facts["duplicates"])),
            ("wrong names", str(facts["wrong_names"])),
            ("online model right", f"{facts['correct']['online']} of {single}"),
            ("custom model right", f"{facts['correct']['custom']} of {single}"),
            ("p50", f"{latency['p50']:.0f} ms"),
            ("p95", f"{latency['p95']:.0f} ms"),
        ],
        points=[
            Point(clip.index / 2, answer.clip_end_ms, correctness(clip, *_named(answer.result)),
                  f"clip {clip.index}, {clip.scene}: {answer.clip_end_ms:.0f} ms")
            for clip, answer in answered
        ],
        stages=[(one, facts["stages_ms"][one]) for one in STAGES if one in facts["stages_ms"]],
        cold=[
            (f"{clip.index}, {clip.scene}", answer.result.init_ms or 0)
            for clip, answer in answered
            if answer.result.cold_start
        ],
        clips=[_row(run, clip, cuts) for clip in run.truth],
    )  # fmt: skip


def _row(run: Comparison, clip: ClipTruth, cuts: Sequence[bytes]) -> ClipRow:
    answer = run.answers.get(clip.index)
    jpeg = thumbnail(cuts[clip.index]) if clip.index < len(cuts) else b""
    if answer is None:
        nothing = (NOTHING_CAME, NOTHING_CAME)
        return ClipRow(str(clip.index), clip.scene, nothing, WRONG, None, jpeg=jpeg)
    return ClipRow(
        name=str(clip.index),
        expected=clip.scene,
        said=(_said(answer.result, "custom"), _said(answer.result, "online")),
        correctness=correctness(clip, *_named(answer.result)),
        latency_ms=answer.clip_end_ms,
        is_cold=answer.result.cold_start,
        jpeg=jpeg,
    )


def _named(result: Result) -> tuple[Set[str], Set[str]]:
    return names(result, "custom"), names(result, "online")


def _said(result: Result, model: str) -> str:
    said = []
    for face in result.faces:
        identity = getattr(face, model)
        name = identity.person.name if identity.person else identity.status.replace("_", " ")
        distance = "" if identity.distance is None else f", distance {identity.distance:.2f}"
        said.append(f"{name} ({identity.score:.2f}{distance})")
    return "; ".join(said) or str(result.status).replace("_", " ")
