"""What the camera's gates hold back of the fixture's clips, whom they miss, and what a look costs.

Each gate sees the clips in their order, and each with somebody once more, as if they kept still.
The film jumps between scenes, which is motion to a gate, and the motion gate's threshold was
chosen on it: other rooms give other figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from device.gate import GATES, Look, look_of
from device.sources.fixture import cut_at_key_frames
from scripts.console import Progress
from scripts.e2e.film import CLIP_FRAMES
from scripts.e2e.truth import ClipTruth, read_truth
from scripts.paths import ROOT

FIXTURE = ROOT / "fixtures"


def fixture_clips() -> list[bytes]:
    """The fixture's clips, in order."""
    film = (FIXTURE / "lab.h264").read_bytes()
    return [film[cut.start : cut.end] for cut in cut_at_key_frames(film, CLIP_FRAMES)]


def measure(
    look: Look,
    clips: Iterable[bytes],
    truth: Sequence[ClipTruth],
    cpu_s: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """One gate over all clips. `missed` are those with somebody that it holds back, `missed_still`
    those that it holds back when they come again."""
    held_back = []
    looks = still = 0
    began = cpu_s()
    for clip, there in zip(clips, truth, strict=True):
        if not look(clip):
            held_back.append(there)
        if there.somebody:
            still += not look(clip)
        looks += 1 + there.somebody
    cpu_ms = (cpu_s() - began) * 1000 / looks
    missed = [one for one in held_back if one.somebody]
    return {
        "held_back": len(held_back),
        "saved": len(held_back) - len(missed),
        "missed": len(missed),
        "missed_still": still,
        "whom": [{"clip": one.index, "scene": one.scene} for one in missed],
        "cpu_ms_per_clip": round(cpu_ms, 1),
    }


def measure_all(progress: Progress) -> dict[str, Any]:
    """Every gate over the fixture's clips."""
    clips, truth = fixture_clips(), read_truth(FIXTURE / "truth.json")
    gates = {
        name: measure(look_of(name), progress.each(clips, f"clips, {name}", len(clips)), truth)
        for name in GATES
    }
    return {
        "clips": len(clips),
        "nobody": sum(not one.somebody for one in truth),
        "gates": gates,
    }


def table(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = [f"{facts['clips']} clips, {facts['nobody']} of them with nobody"]
    for name, one in facts["gates"].items():
        lines.append(
            f"{name}: holds back {one['held_back']}, {one['saved']} with nobody and "
            f"{one['missed']} with somebody ({one['missed_still']} if nobody moves); "
            f"{one['cpu_ms_per_clip']} ms of CPU a clip"
        )
        lines += [f"  missed: clip {clip['clip']}, {clip['scene']}" for clip in one["whom"]]
    return "\n".join(lines)
