"""Compute per clip: the report's pipeline against ours, on the same clips, interleaved.

Also measures how long each takes to start in a fresh process. Writes out/bench.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT
from scripts.setup import FUNCTION, LAB

TRAINING = BUILD / "env" / "training" / "bin" / "python"
PACKAGES = BUILD / "env" / "bench"
LOCK = ROOT / "scripts" / "bench.txt"
SIZES = ("160x160", "640x480")
_REPORT_IMPORTS = "import torch, face_recognition, PIL.Image, numpy"


def measure(rounds: int, clips: int, say: Progress) -> dict[str, Any]:
    """Both pipelines, `rounds` times on `clips` clips of each person.

    Raises
    ------
    LabError
        When there is no training environment, or no ffmpeg.
    """
    if not TRAINING.exists():
        raise LabError("the report's pipeline needs torch", "run `make training-env` first")
    ffmpeg = find_ffmpeg(say)
    say(f"{rounds} rounds of both pipelines; some minutes")
    with say.usual("both pipelines", f"bench-handler {rounds} {clips}"):
        measured = run_both(ffmpeg, rounds, clips)
    say("starting each in a fresh process")
    with say.usual("starting each", "bench-handler starts"):
        init_ms = measure_init()
    return {**tabulate(measured), "init_ms": init_ms, "machine": machine(measured)}


def find_ffmpeg(say: Progress) -> str:
    """The machine's ffmpeg, or the one that a PyPI package brings.

    Raises
    ------
    LabError
    """
    if found := shutil.which("ffmpeg"):
        return found
    if not list(PACKAGES.glob("imageio_ffmpeg/binaries/ffmpeg*")):
        say("no ffmpeg on this machine: installing the one of PyPI's imageio-ffmpeg")
        command = [str(TRAINING), "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--disable-pip-version-check"]
        command += ["--target", str(PACKAGES), "-r", str(LOCK)]
        if subprocess.run(command, check=False).returncode:
            raise LabError("ffmpeg could not be installed (see above)", "install it yourself")
    return str(next(PACKAGES.glob("imageio_ffmpeg/binaries/ffmpeg*")))


def run_both(ffmpeg: str, rounds: int, clips: int) -> dict[str, Any]:
    asked = {"ffmpeg": ffmpeg, "rounds": rounds, "per_kind": clips}
    command = [str(TRAINING), "-m", "scripts.bench.handler_worker", str(lab_packages())]
    command.append(json.dumps(asked))
    made = subprocess.run(
        command, cwd=ROOT, env=_environment(), check=False, stdout=subprocess.PIPE, text=True
    )
    if made.returncode:
        raise LabError("the bench failed (see above)", "is `make setup` done?")
    return json.loads(made.stdout)


def lab_packages() -> Path:
    """Where face_recognition and dlib lie: the lab has them for its parity tests."""
    return next((LAB.path / "lib").glob("python3*/site-packages"))


def tabulate(measured: dict[str, Any]) -> dict[str, Any]:
    table = measured["table"]
    report: dict[str, Any] = {
        pipeline: {size: table[f"{pipeline}/{size}/one_face"] for size in SIZES}
        for pipeline in ("report_style", "facelab")
    }
    report["ratio"] = {
        size: round(
            report["report_style"][size]["total_ms"] / report["facelab"][size]["total_ms"], 1
        )
        for size in SIZES
    }
    report["no_face"] = {
        pipeline: {
            f"{size}/{kind}": table[f"{pipeline}/{size}/{kind}"]
            for size, kind in (
                ("160x160", "empty_room"),
                ("640x480", "empty_room"),
                ("640x480", "plain_wall"),
            )
        }
        for pipeline in ("report_style", "facelab")
    }
    return report


def measure_init(times: int = 5) -> dict[str, float]:
    """Median time from process start to ready, ms: imports, clients, models."""
    lambda_env = {
        "FACELAB_PREFIX": "facelab",
        "FACELAB_BUCKET": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LAMBDA_TASK_ROOT": str(BUILD),  # the models lie in its folder `models`
    }
    behind = f"import sys; sys.path.append({str(lab_packages())!r}); "
    commands = {
        "report_style": ([str(TRAINING), "-W", "ignore", "-c", behind + _REPORT_IMPORTS], {}),
        "facelab": ([str(FUNCTION.python), "-c", "import handler"], lambda_env),
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times + 1):
        for name, (command, extra) in commands.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=_environment(extra), check=True)
            samples[name].append((time.perf_counter() - started) * 1000)
    # The first of each warms the disk cache.
    return {name: round(statistics.median(values[1:]), 1) for name, values in samples.items()}


def machine(measured: dict[str, Any]) -> dict[str, Any]:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": measured["torch"],
        "rounds": measured["rounds"],
    }


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = []
    for size in SIZES:
        theirs, ours = facts["report_style"][size], facts["facelab"][size]
        lines.append(f"\none clear face, {size}: {facts['ratio'][size]} times faster")
        for name, row in (("report style", theirs), ("facelab", ours)):
            stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in row["stages_ms"].items())
            cost = f"{row['total_ms']:8.1f} ms (cpu {row['cpu_ms']:.0f})"
            lines.append(f"  {name:13} {cost}  right {row['right']:7} ({stages})")
    lines.append("\nnobody there")
    for pipeline, rows in facts["no_face"].items():
        for kind, row in rows.items():
            took = f"{row['total_ms']:8.1f} ms (cpu {row['cpu_ms']:.0f})"
            lines.append(f"  {pipeline:13} {kind:20} {took}")
    lines.append("\nready in a fresh process")
    lines += [f"  {name:13} {ms:8.1f} ms" for name, ms in facts["init_ms"].items()]
    return "\n".join(lines)


def _environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    roots = os.pathsep.join(str(path) for path in (ROOT, ROOT / "lambda"))
    return {**os.environ, "PYTHONPATH": roots, **(extra or {})}
