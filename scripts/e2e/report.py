"""What a run of the whole loop looks like: a table for people, `e2e.json` for machines."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping
from typing import Any

from scripts.e2e.truth import Comparison, ShownResult
from scripts.percentiles import percentiles

# Stages in which the function waits for another service.
WAITING_STAGES = ("claim", "fetch", "look_up")


def e2e_json(run: Comparison, backend: str, cpu_ms_per_clip: Mapping[str, float]) -> dict[str, Any]:
    """The content of `out/e2e.json`; durations in milliseconds.

    `cpu_ms_per_clip` by `emulator`, `function` and `device`, as far as they are processes of this
    machine.
    """
    answers = list(run.answers.values())
    warm = [answer for answer in answers if not answer.result.cold_start]
    cold = [answer for answer in answers if answer.result.cold_start]
    stages = sorted({stage for answer in answers for stage in answer.result.stages_ms})
    return {
        "backend": backend,
        "clips": len(run.truth),
        "answered": len(answers),
        "duplicates": run.duplicates,
        "single_person_clips": len(run.single_person()),
        "correct": {model: run.correct(model) for model in ("online", "custom")},
        "wrong_names": len(run.wrong_names()),
        "latency_ms": {
            "clip_end": percentiles(answer.clip_end_ms for answer in answers),
            "capture_start": percentiles(answer.capture_start_ms for answer in answers),
            "warm_clip_end": percentiles(answer.clip_end_ms for answer in warm),
        },
        "cold_start_ms": max((answer.clip_end_ms for answer in cold), default=None),
        "init_ms": max((answer.result.init_ms or 0 for answer in cold), default=None),
        "stages_ms": {
            stage: round(
                statistics.median(
                    answer.result.stages_ms[stage]
                    for answer in answers
                    if stage in answer.result.stages_ms
                ),
                2,
            )
            for stage in stages
        },
        "warm_clips_ms": [_parts(answer) for answer in warm],
        "cpu_ms_per_clip": {name: round(ms, 1) for name, ms in cpu_ms_per_clip.items()},
    }


def _parts(answer: ShownResult) -> dict[str, float]:
    """A clip's time: the whole, its recognition, and what the function waited for services."""
    stages = answer.result.stages_ms
    return {
        "clip_end": answer.clip_end_ms,
        "recognize": stages.get("recognize", 0.0),
        "waiting": round(sum(stages.get(stage, 0.0) for stage in WAITING_STAGES), 2),
    }


def table(run: Comparison) -> str:
    """One row per scene: who was there, how often each model was right, how fast it was."""
    rows = [("clips", "scene", "online", "custom", "clip end to result")]
    for scene, group in itertools.groupby(run.truth, key=lambda clip: clip.scene):
        clips = list(group)
        latency = percentiles(
            run.answers[clip.index].clip_end_ms for clip in clips if clip.index in run.answers
        )
        rows.append(
            (
                f"{clips[0].index}–{clips[-1].index}",
                scene,
                *(
                    f"{sum(run.is_right(clip, model) for clip in clips)}/{len(clips)}"
                    for model in ("online", "custom")
                ),
                f"{latency['p50'] / 1000:.2f} s" if latency else "no answer",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(1, "─" * len(lines[0]))
    return "\n".join(lines)


def summary(facts: dict[str, Any]) -> str:
    """The run in a few lines."""
    single, correct = facts["single_person_clips"], facts["correct"]
    lines = [
        f"{facts['answered']} of {facts['clips']} clips answered, {facts['duplicates']} twice, "
        f"{facts['wrong_names']} wrong names",
        f"one person in the clip: online model right {correct['online']} of {single}, "
        f"custom model {correct['custom']} of {single}",
    ]
    for clock, words in (("clip_end", "clip end"), ("capture_start", "capture start")):
        if latency := facts["latency_ms"][clock]:
            lines.append(
                f"latency from {words}: p50 {latency['p50'] / 1000:.2f} s, "
                f"p95 {latency['p95'] / 1000:.2f} s, max {latency['max'] / 1000:.2f} s"
            )
    if facts["cold_start_ms"]:
        lines.append(f"slowest cold start: {facts['cold_start_ms'] / 1000:.2f} s")
    return "\n".join(lines)
