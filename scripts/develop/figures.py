"""The documents' figures, made from what the commands measured.

`docs/figures.json` holds what each command measured, with day, machine and commit. Documents are
made from it (`figure_tables`), and held against it (`figure_claims`). So a figure stands once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.develop.mutation.places import PLACES
from scripts.errors import LabError

BACKENDS = ("embedded", "docker")


@dataclass(frozen=True)
class MeasuredRun:
    """A run whose figures are kept: the file it writes, and where in it each figure stands."""

    command: str
    file: str
    keeps: Mapping[str, str]
    backend: str = ""


def _on_both(
    name: str, command: str, file: str, keeps: Mapping[str, str]
) -> dict[str, MeasuredRun]:
    return {
        f"{name}_{backend}": MeasuredRun(
            f"FACELAB_BACKEND={backend} {command}", file, keeps, backend
        )
        for backend in BACKENDS
    }


SEEDS = (0, 1, 2)
# How `facelab calibrate-distances` makes pictures worse.
VARIATIONS = ("as it is", "small", "tiny", "tilted", "dark", "blurred", "badly blurred")
# What `facelab bench-sharpest` makes of a clip.
CLIP_KINDS = (
    *("shaken", "focus", "hand", "flicker"),
    *("plain", "mask", "sunglasses", "motion 17 px", "dark 1/4"),
)
DEVICES = (1, 2, 4, 8)
LAB_COMMANDS = ("up_cold", "up_warm", "down", "reset", "snapshot", "restore")
PLAN = {
    "as_of": "as_of",
    "work_ms": "work_ms",
    "needed": "concurrency.needed",
    "quota": "concurrency.default_quota",
    "queues": "queues_needed",
    "requests": "requests",
    "usd": "month_usd",
    **{
        f"{run}_{of}_ms": f"runs.{run}.clip_end_ms.{of}"
        for run in ("direct_start", "direct_steady", "through_queue_start", "through_queue_steady")
        for of in ("p50", "p95")
    },
    "throttled": "runs.direct_start.throttled_tries",
    "waiting": "runs.through_queue_start.most_waiting",
}
# The last: nine clips of ten show nobody, and the motion gate holds back what it does of the film.
PLANS = {
    "100": (100, ""),
    "10000": (10_000, ""),
    "1000000": (1_000_000, ""),
    "gated": (1_000_000, ' ARGS="--sent-share 0.45"'),
}
CONFORMANCE = ("behaviours", "passed", "known_differences", "unsupported")
RUNS: dict[str, MeasuredRun] = {
    **_on_both(
        "e2e",
        "make e2e",
        "e2e.json",
        {
            **{name: name for name in ("clips", "answered", "duplicates", "wrong_names")},
            "single": "single_person_clips",
            "online": "correct.online",
            "custom": "correct.custom",
            **{f"{of}_ms": f"latency_ms.warm_clip_end.{of}" for of in ("p50", "p95", "max")},
        },
    ),
    **_on_both("overhead", "make bench-overhead", "bench-overhead.json", {"ms": "overhead_ms.p50"}),
    **_on_both(
        "queue",
        "make bench-queue",
        "bench-queue.json",
        {f"{of}_ms": f"send_to_received_ms.{of}" for of in ("p50", "p95")},
    ),
    **_on_both(
        "reload",
        "make bench-reload",
        "bench-reload.json",
        {f"{of}_ms": f"save_to_answer_ms.{of}" for of in ("p50", "p95")},
    ),
    **_on_both(
        "lab",
        "make bench-lab",
        "lab.json",
        {"clips": "clips", **{f"{one}_ms": f"lab_ms.{one}" for one in LAB_COMMANDS}},
    ),
    **_on_both("first_clip", "make bench-lab", "lab.json", {"ms": "lab_ms.first_clip"}),
    **_on_both("slowest", "make e2e", "e2e.json", {"ms": "latency_ms.clip_end.max"}),
    **_on_both(
        "conformance",
        "make conformance",
        "conformance.json",
        {name: name for name in (*CONFORMANCE, "by_service", "reasons")},
    ),
    "loop": MeasuredRun(
        "make bench-loop",
        "loop.json",
        {
            **{f"{of}_ms": f"facelab.clip_end_ms.{of}" for of in ("p50", "p95", "p99")},
            "report_p50_ms": "report_style.clip_end_ms.p50",
            "ratio": "ratio_p50",
            "cold_ms": "cold_ms",
            "stages_ms": "facelab.stages_ms",
            "cpu_ms": "facelab.cpu_ms_per_clip",
        },
    ),
    "compute": MeasuredRun(
        "make bench-handler",
        "bench.json",
        {
            "large_ms": "facelab.640x480.total_ms",
            "cluttered_ms": "no_face.facelab.640x480/empty_room.total_ms",
            "wall_ms": "no_face.facelab.640x480/plain_wall.total_ms",
            "large_ratio": "ratio.640x480",
            "small_ms": "facelab.160x160.total_ms",
            "small_ratio": "ratio.160x160",
            "init_ms": "init_ms.facelab",
            "report_init_ms": "init_ms.report_style",
        },
    ),
    "state": MeasuredRun(
        "make bench-state",
        "bench-state.json",
        {
            "clips": "clips",
            **{
                f"{kind}_{of}_ms": f"round_trip_ms.{kind}.{of}"
                for kind in ("memory", "disk")
                for of in ("p50", "p95")
            },
            "cost_ms": "cost_ms.of_pairs",
        },
    ),
    "throughput": MeasuredRun(
        "make throughput",
        "throughput.json",
        {
            "clips_per_s": "max_clips_per_s",
            **{
                f"{figure}_{devices}": f"devices.{devices}.{place}"
                for devices in DEVICES
                for figure, place in (
                    ("rate", "clips_per_s"),
                    ("p50", "p50_ms"),
                    ("p95", "p95_ms"),
                    ("busy", "cpu.all"),
                )
            },
        },
    ),
    "against_loop": MeasuredRun(
        "facelab bench-against-loop --commit 3c7f219",
        "against-loop.json",
        {"ratios": "ratios"},
    ),
    "against_sustained": MeasuredRun(
        "facelab bench-sustained --commit 3c7f219",
        "against-sustained.json",
        {"ratio": "ratio"},
    ),
    "against": MeasuredRun(
        "facelab bench-against --commit 3c7f219",
        "against.json",
        {
            "face_ratio": "kinds.one face 640x480.ratio_cpu",
            "cluttered_ratio": "kinds.cluttered room 640x480.ratio_cpu",
            "wall_ratio": "kinds.plain wall 640x480.ratio_cpu",
        },
    ),
    "dashboard": MeasuredRun(
        "make bench-dashboard",
        "bench-dashboard.json",
        {
            "clips": "clips",
            "load": "load_average_1m",
            **{f"paint_{of}_ms": f"views./.first_paint_ms.{of}" for of in ("p50", "p95")},
            **{f"usable_{of}_ms": f"views./.usable_ms.{of}" for of in ("p50", "p95")},
            **{f"news_{of}_ms": f"message_to_page_ms.{of}" for of in ("p50", "p95")},
            **{f"{who}_percent": f"idle_watched.core_percent.{who}" for who in ("server", "page")},
            **{f"{who}_mb": f"idle_watched.memory_mb.{who}.pss" for who in ("server", "page")},
            "blank_page_mb": "blank_page_mb.pss",
        },
    ),
    "soak": MeasuredRun(
        "IMAGE_FUNCTIONS_DAY_S=60 make soak CLIPS=3000 RATE=1 DEVICES=2",
        "soak.json",
        {
            **{name: name for name in ("recorded", "answered", "shown_twice", "answered_per_s")},
            "emulator_mb": "memory_mb.emulator",
            "growth": "memory_growth",
        },
    ),
    **_on_both(
        "four_devices",
        "make soak CLIPS=240 RATE=2 DEVICES=4",
        "soak.json",
        {
            **{name: name for name in ("recorded", "answered", "answered_per_s")},
            **{f"{of}_ms": f"latency_ms.{of}" for of in ("p50", "p95")},
        },
    ),
    "detection": MeasuredRun(
        "facelab bench-detection",
        "detection.json",
        {name: name for name in ("faces", "found", "false_alarms", "kinds")},
    ),
    "detection_sizes": MeasuredRun(
        "facelab bench-detection --sizes",
        "detection-sizes.json",
        {name: name for name in ("faces", "found", "false_alarms")},
    ),
    "detection_empty": MeasuredRun(
        "facelab bench-detection --empty 100 --photographs DIR",
        "detection-empty.json",
        {name: name for name in ("pictures", "false_alarms")},
    ),
    "distances": MeasuredRun(
        "facelab calibrate-distances --faces att_faces",
        "distances.json",
        {
            **{kind: f"unit length.pictures.{kind}.open_set" for kind in VARIATIONS},
            "raw": "raw.pictures.as it is.open_set",
        },
    ),
    **{
        f"open_set_{seed}": MeasuredRun(
            f'make evaluate DATA=att_faces ARGS="--seed {seed}"',
            "eval.json",
            {
                f"{model} {kept}": f"open_set.{model}.{kept}"
                for model in ("online", "custom", "final", "report_style")
                for kept in ("named_right", "named_wrong", "strangers_named")
            },
        )
        for seed in SEEDS
    },
    **{
        f"open_set_one_photo_{seed}": MeasuredRun(
            f'make evaluate DATA=att_faces ARGS="--seed {seed} --enroll 1 '
            '--custom training/shipped/custom.onnx"',
            "eval.json",
            {
                kept: f"open_set.online.{kept}"
                for kept in ("named_right", "named_wrong", "strangers_named")
            },
        )
        for seed in SEEDS
    },
    "sharpest": MeasuredRun(
        "facelab bench-sharpest --faces att_faces",
        "sharpest.json",
        {kind: kind for kind in CLIP_KINDS},
    ),
    "gate": MeasuredRun(
        "facelab bench-gate",
        "bench-gate.json",
        {name: name for name in ("clips", "nobody", "gates")},
    ),
    **{
        f"plan_{name}": MeasuredRun(
            f"make plan DEVICES={devices} RATE=2 REGION=eu-central-1{more}",
            "plan.json",
            PLAN,
        )
        for name, (devices, more) in PLANS.items()
    },
    "plan_check": MeasuredRun(
        "facelab plan --check",
        "plan-check.json",
        {name: name for name in ("devices", "clips_per_s", "ratios", "holds")},
    ),
    "mutation": MeasuredRun(
        "make mutate", "mutate.json", {one.folder: f"places.{one.folder}" for one in PLACES}
    ),
}
Figures = dict[str, Any]


class NothingMeasured(LabError):
    """A run's file is not there, lacks a figure, or is of the other backend."""


def take(figures: Figures, name: str, out: Path, when: str, machine: str, commit: str) -> Figures:
    """`figures` with those of the run `name`, which wrote its file to the folder `out`.

    Raises
    ------
    NothingMeasured
        When the file is missing, lacks a figure, or belongs to the other backend.
    """
    run = RUNS[name]
    hint = f"`{run.command}` writes it"
    try:
        facts = json.loads((out / run.file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NothingMeasured(f"there is no {run.file} in {out}", hint) from error
    if run.backend and facts.get("backend", run.backend) != run.backend:
        raise NothingMeasured(f"{run.file} is of the backend {facts['backend']}", hint)
    values = {}
    for figure, place in run.keeps.items():
        found: Any = facts
        for step in place.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found is None:
            raise NothingMeasured(f"{run.file} has no {place}", hint)
        values[figure] = found
    origin = {"when": when, "machine": machine, "commit": commit, "command": run.command}
    return {**figures, name: {**origin, "values": values}}


def values(figures: Figures, run: str) -> dict[str, Any]:
    """The figures of a run; empty where it was never measured."""
    found: dict[str, Any] = figures.get(run, {}).get("values", {})
    return found
