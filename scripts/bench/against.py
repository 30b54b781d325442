"""Compute per clip, this checkout against an earlier commit: one run, clip by clip in turn.

Each side answers in a process of its own, with its own code, gallery and custom model, from the
same model files. A machine whose speed drifts slows both alike: look at the ratios.
"""

from __future__ import annotations

import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from scripts.bench.handler_clips import BenchClip, plain_wall, read_clips
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT

# Runs in either tree: only what both have. One line in, one line out.
_WORKER = """
import json, os, sys, time
from pathlib import Path
import cv2, numpy as np
from recognition import CustomModel, Gallery, Recognizer
models, tree = Path(sys.argv[1]), Path(sys.argv[2])
recognizer = Recognizer.load(models)
names, rows = [], []
for folder in sorted((tree / "fixtures/people").iterdir()):
    photo = cv2.cvtColor(cv2.imread(str(sorted(folder.glob("*.jpg"))[0])), cv2.COLOR_BGR2RGB)
    names.append(folder.name)
    rows.append(recognizer.observe(photo)[0].embedding)
gallery = Gallery.of(names, np.array(rows))
custom = CustomModel.from_bytes((tree / "training/shipped/custom.onnx").read_bytes())
print("ready", flush=True)
for line in sys.stdin:
    data = Path(line.strip()).read_bytes()
    cpu, wall = time.process_time(), time.perf_counter()
    found = recognizer.recognize(data, gallery, custom)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    named = sorted(face.person_id for face in found.faces if face.person_id)
    told = {"cpu_ms": cpu * 1000, "wall_ms": wall * 1000, "named": named}
    print(json.dumps({**told, "stages_ms": found.stages_ms}), flush=True)
"""


class _Side:
    """One version of the code, in a process that stays."""

    def __init__(self, name: str, tree: Path) -> None:
        self.name = name
        paths = os.pathsep.join(str(path) for path in (tree, tree / "lambda"))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER, str(BUILD / "models"), str(tree)],
            env={**os.environ, "PYTHONPATH": paths},
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._read() != "ready":
            raise LabError(f"{name} did not start", "its error stands above")

    def answer(self, clip: Path) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101  a pipe by construction
        self._process.stdin.write(f"{clip}\n")
        self._process.stdin.flush()
        line = self._read()
        if not line:
            raise LabError(f"{self.name} ended", "its error stands above")
        return json.loads(line)

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  a pipe by construction
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate()


def checkout(commit: str) -> Path:
    """The commit's files below build/, once."""
    tree = BUILD / "bench" / commit
    if not (tree / "lambda").is_dir():
        try:
            packed = subprocess.run(
                ["git", "archive", commit, "lambda", "contract", "fixtures", "training/shipped"],
                cwd=ROOT,
                capture_output=True,
                check=True,
            ).stdout
        except subprocess.CalledProcessError as error:
            raise LabError(f"no commit {commit} here", "is the clone shallow?") from error
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(tree, filter="data")
    return tree


def measure(commit: str, rounds: int, per_person: int, say: Progress) -> dict[str, Any]:
    """By kind of clip, what either side took; `per_person` clips of each, `rounds` times."""
    say(f"starting this checkout and {commit}")
    sides = [_Side("now", ROOT), _Side(commit, checkout(commit))]
    say(f"{rounds} rounds of both")
    try:
        clips = [*read_clips(ROOT / "fixtures", per_person), plain_wall()]
        kinds = _by_kind(sides, clips, rounds)
    finally:
        for side in sides:
            side.close()
    return {"against": commit, "kinds": kinds}


def _by_kind(sides: list[_Side], clips: list[BenchClip], rounds: int) -> dict[str, Any]:
    taken: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    order = random.Random(0)  # noqa: S311  a fixed order, no secret
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index}.h264" for index in range(len(clips))]
        for path, clip in zip(paths, clips, strict=True):
            path.write_bytes(clip.data)
        for turn in range(rounds + 1):
            for path, clip in zip(paths, clips, strict=True):
                for side in order.sample(sides, len(sides)):
                    told = side.answer(path)
                    if turn == 0:
                        continue  # warming up
                    key = (_kind(clip), side.name)
                    taken[key].append(told)
                    right[key].append(told["named"] == [clip.person_id] * bool(clip.person_id))
    report: dict[str, Any] = {}
    for kind in dict.fromkeys(kind for kind, _ in taken):
        rows = {
            side.name: {
                **{
                    name: round(statistics.median(one[name] for one in taken[kind, side.name]), 1)
                    for name in ("cpu_ms", "wall_ms")
                },
                "stages_ms": _stages(taken[kind, side.name]),
                "right": sum(right[kind, side.name]),
                "of": len(right[kind, side.name]),
            }
            for side in sides
        }
        now, before = (rows[side.name] for side in sides)
        rows["ratio_cpu"] = round(now["cpu_ms"] / before["cpu_ms"], 3)
        rows["ratio_wall"] = round(now["wall_ms"] / before["wall_ms"], 3)
        report[kind] = rows
    return report


def _stages(taken: list[dict[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in taken for name in one["stages_ms"])
    return {
        name: round(statistics.median(one["stages_ms"].get(name, 0.0) for one in taken), 1)
        for name in names
    }


def _kind(clip: BenchClip) -> str:
    if clip.name == "plain wall":
        return f"plain wall {clip.size}"
    return f"{'one face' if clip.person_id else 'cluttered room'} {clip.size}"


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = []
    for kind, rows in facts["kinds"].items():
        now, before = rows["now"], rows[facts["against"]]
        lines.append(
            f"{kind:24} cpu {now['cpu_ms']:6.1f} against {before['cpu_ms']:6.1f} ms "
            f"({rows['ratio_cpu']:.2f}), wall {rows['ratio_wall']:.2f}, "
            f"right {now['right']} and {before['right']} of {now['of']}"
        )
        stages = ", ".join(f"{stage} {ms}" for stage, ms in now["stages_ms"].items())
        lines.append(f"{'':24} {stages}")
    return "\n".join(lines)
