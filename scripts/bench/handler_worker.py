"""Runs in the training environment (torch) with the bench's own packages beside it.

Started by `facelab bench-handler` with a folder of packages and what `measure` takes, as one JSON
object; prints another.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any


def measure(ffmpeg: str, rounds: int, per_kind: int) -> dict[str, Any]:
    import torch

    from scripts.bench.handler_clips import plain_wall, read_clips
    from scripts.bench.photos import read_photo
    from scripts.bench.pipeline_facelab import Facelab
    from scripts.bench.pipeline_report import ReportStyle

    root = Path(__file__).resolve().parents[2]
    enrolled = {}
    for folder in sorted((root / "fixtures/people").iterdir()):
        enrolled[folder.name] = read_photo(sorted(folder.glob("*.jpg"))[0])
    pipelines: list[ReportStyle | Facelab] = [
        ReportStyle(ffmpeg, enrolled),
        Facelab(root / "build/models", root / "training/shipped/custom.onnx", enrolled),
    ]
    clips = [*read_clips(root / "fixtures", per_kind), plain_wall()]
    samples: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    cpu_ms: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    right: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    order = random.Random(0)  # noqa: S311  a fixed order, no secret
    for turn in range(rounds + 1):
        turns = [(pipeline, clip) for clip in clips for pipeline in pipelines]
        order.shuffle(turns)
        for pipeline, clip in turns:
            before = os.times()
            name, stages = pipeline.answer(clip.data)
            spent = sum(os.times()[:4]) - sum(before[:4])
            if turn == 0:
                continue  # warming up
            key = (pipeline.name, clip.size, _kind(clip))
            samples[key].append(stages)
            cpu_ms[key].append(spent * 1000)
            right[key].append(name == clip.person_id)
    table = {
        "/".join(key): {
            **_summary(values),
            # Of all threads and of ffmpeg: says more than the clock on a busy machine.
            "cpu_ms": round(statistics.median(cpu_ms[key]), 1),
            "right": f"{sum(right[key])}/{len(right[key])}",
        }
        for key, values in samples.items()
    }
    return {"table": table, "torch": torch.__version__, "rounds": rounds}


def _kind(clip: Any) -> str:
    if clip.name == "plain wall":
        return "plain_wall"
    return "one_face" if clip.person_id else "empty_room"


def _summary(samples: list[dict[str, float]]) -> dict[str, Any]:
    totals = [sum(stages.values()) for stages in samples]
    names = dict.fromkeys(name for stages in samples for name in stages)
    return {
        "total_ms": round(statistics.median(totals), 1),
        "fastest_ms": round(min(totals), 1),
        "slowest_ms": round(max(totals), 1),
        "samples": len(samples),
        "stages_ms": {
            name: round(statistics.median(stages.get(name, 0.0) for stages in samples), 2)
            for name in names
        },
    }


if __name__ == "__main__":
    # Behind everything else: only what this environment lacks comes from there.
    sys.path.append(sys.argv[1])
    warnings.simplefilter("ignore")
    print(json.dumps(measure(**json.loads(sys.argv[2]))))
