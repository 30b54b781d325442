"""A run of the whole loop as a page: every clip with its picture, beside what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2

from contract.results import Result
from recognition import Clip as Decoder
from recognition import ClipRejected, Settings
from scripts.e2e.truth import ClipTruth, Comparison, ShownResult, names
from scripts.report.page import ClipRow, Point, Report

THUMBNAIL_PX = 160
QUALITY = 60
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
            Point(clip.index / 2, answer.clip_end_ms, verdict(run, clip, answer.result),
                  f"clip {clip.index}, {clip.scene}: {answer.clip_end_ms:.0f} ms")
            for clip, answer in answered
        ],
        stages=[(one, facts["stages_ms"][one]) for one in STAGES if one in facts["stages_ms"]],
        cold=[
            (f"{clip.index}, {clip.scene}", answer.result.init_ms or 0)
            for clip, answer in answered
            if answer.result.cold_start
        ],
        clips=[_row(run, clip, answer, cuts) for clip, answer in answered],
    )  # fmt: skip


def verdict(run: Comparison, clip: ClipTruth, result: Result) -> str:
    """Wrong where somebody was named who is not there, unknown where somebody there was not."""
    said = names(result, "online") | names(result, "custom")
    if said - set(clip.visible):
        return "wrong"
    missed = set(clip.visible) - (names(result, "online") & names(result, "custom"))
    return "unknown" if missed or clip.strangers else "right"


def _row(run: Comparison, clip: ClipTruth, answer: ShownResult, cuts: Sequence[bytes]) -> ClipRow:
    result = answer.result
    return ClipRow(
        number=clip.index,
        expected=clip.scene,
        custom=_said(result, "custom"),
        online=_said(result, "online"),
        status=str(result.status),
        verdict=verdict(run, clip, result),
        latency_ms=answer.clip_end_ms,
        is_cold=result.cold_start,
        jpeg=thumbnail(cuts[clip.index]) if clip.index < len(cuts) else b"",
    )


def _said(result: Result, model: str) -> str:
    said = []
    for face in result.faces:
        identity = getattr(face, model)
        name = identity.person.name if identity.person else identity.status.replace("_", " ")
        distance = "" if identity.distance is None else f", distance {identity.distance:.2f}"
        said.append(f"{name} ({identity.score:.2f}{distance})")
    return "; ".join(said) or str(result.status).replace("_", " ")


def thumbnail(data: bytes) -> bytes:
    """The first frame of a clip, small, as JPEG; nothing when there is none."""
    try:
        rgb = next(iter(Decoder(data, Settings()).frames(1))).to_rgb()
    except (ClipRejected, StopIteration):
        return b""
    height = round(rgb.shape[0] * THUMBNAIL_PX / rgb.shape[1])
    small = cv2.resize(rgb, (THUMBNAIL_PX, height), interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
    return jpeg.tobytes() if done else b""
