"""The whole loop, this checkout against an earlier commit: one run, by turns.

Each side is a checkout with its own packages and its own embedded lab, and plays the whole fixture
by its own `make e2e`. A machine whose speed drifts slows both alike: look at the ratios. The first
turn of each warms up and does not count. The earlier one's checkout stays below `build/bench/`.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from scripts.bench.lab import free_port
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT

IN_TIME_MS = 1000
CLIP_S = 0.5  # of the fixture


@dataclass(frozen=True)
class Side:
    """A checkout with a lab of its own."""

    name: str
    tree: Path
    port: int

    def make(self, target: str, **settings: str) -> None:
        """Run a target of its Makefile, with more of its variables.

        Raises
        ------
        LabError
            When it fails.
        """
        environment = {
            key: value
            for key, value in os.environ.items()
            # What make and this command were given for themselves.
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH")
        }
        done = subprocess.run(
            ["make", target],
            cwd=self.tree,
            env={
                **environment,
                "FACELAB_BACKEND": "embedded",
                "FACELAB_PORT": str(self.port),
                **settings,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-10:])
            raise LabError(f"`make {target}` failed in {self.tree}:\n{said}")

    def play(self, speed: float = 1.0) -> dict[str, Any]:
        """Play the fixture once: latency, and CPU time a clip by what it was spent on.

        `speed` 1 is the camera's pace.
        """
        before = self._cpu_s()
        self.make("e2e", ARGS=f"--speed {speed:g}")
        spent = {name: s - before.get(name, 0.0) for name, s in self._cpu_s().items()}
        told = json.loads((self.tree / "out" / "e2e.json").read_text())
        clips, latency = told["clips"], told["latency_ms"]["clip_end"]
        return {
            "p50_ms": latency["p50"],
            "p95_ms": latency["p95"],
            "max_ms": latency["max"],
            **{f"{name}_cpu_ms": spent_s / clips * 1000 for name, spent_s in spent.items()},
        }

    def _cpu_s(self) -> dict[str, float]:
        """CPU time of the lab's processes so far: the emulator's, and that of its functions."""
        spent = {"emulator": 0.0, "function": 0.0}
        for process in psutil.process_iter():
            try:
                words, folder = process.cmdline(), process.cwd()
                if str(self.tree) + os.sep not in " ".join([*words, folder]) + os.sep:
                    continue
                times = process.cpu_times()
            except psutil.Error:
                continue
            is_emulator = "localstack.runtime.main" in words
            spent["emulator" if is_emulator else "function"] += times.user + times.system
        return spent


def checkout(commit: str, progress: Progress) -> Path:
    """The commit's tree below `build/bench`, with this one's models, which are the same files."""
    tree = BUILD / "bench" / f"{commit}-lab"
    if not (tree / "Makefile").is_file():
        progress(f"checking out {commit}")
        done = subprocess.run(
            ["git", "worktree", "add", "--detach", str(tree), commit],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"no commit {commit} here: {done.stderr.strip()}", "a shallow clone?")
        shutil.copytree(BUILD / "models", tree / "build" / "models")
    return tree


@contextmanager
def _sides(commit: str, progress: Progress) -> Iterator[tuple[Side, Side]]:
    """This checkout, and that of the commit; their labs are ended after it."""
    earlier = Side(commit, checkout(commit, progress), free_port())
    sides = Side("this checkout", ROOT, free_port()), earlier
    try:
        yield sides
    finally:
        for side in sides:
            side.make("down")


def _by_turns(sides: tuple[Side, Side], turn: int) -> tuple[Side, ...]:
    """Who plays first: another one in each turn."""
    return sides if turn % 2 else sides[::-1]


def measure(commit: str, turns: int, progress: Progress) -> dict[str, Any]:
    with _sides(commit, progress) as sides:
        now, before = sides
        taken: dict[str, list[dict[str, Any]]] = {now.name: [], before.name: []}
        for turn in range(turns + 1):
            for side in _by_turns(sides, turn):
                progress(f"turn {turn} of {turns}: {side.name}" + " (warms up)" * (turn == 0))
                told = side.play()
                if turn:
                    taken[side.name].append(told)
    rows = {
        name: {key: round(statistics.median(one[key] for one in told), 1) for key in told[0]}
        for name, told in taken.items()
    }
    return {
        "turns": turns,
        "sides": rows,
        "ratios": {
            key: round(rows[now.name][key] / rows[before.name][key], 2)
            for key in rows[now.name]
            if rows[before.name].get(key)
        },
        "load_average": round(os.getloadavg()[0], 1),
    }


def measure_sustained(commit: str, rates: list[float], progress: Progress) -> dict[str, Any]:
    """The fixture at each of the rates, clips a second: by turns, after one at the camera's pace.

    A side sustains a rate whose p95 is within a second, if it sustains all lower ones.
    """
    with _sides(commit, progress) as sides:
        now, before = sides
        rows: dict[str, dict[str, dict[str, Any]]] = {now.name: {}, before.name: {}}
        for side in sides:
            progress(f"{side.name} (warms up)")
            side.play()
        for turn, rate in enumerate(sorted(rates)):
            for side in _by_turns(sides, turn):
                progress(f"{rate:g} clips a second: {side.name}")
                rows[side.name][f"{rate:g}"] = side.play(rate * CLIP_S)
    most = {name: _sustained(told) for name, told in rows.items()}
    return {
        "sides": rows,
        "clips_per_s": most,
        "ratio": round(most[now.name] / most[before.name], 2) if most[before.name] else None,
        "load_average": round(os.getloadavg()[0], 1),
    }


def _sustained(told: dict[str, dict[str, Any]]) -> float:
    """The highest rate before the first that is late; 0 where the lowest is."""
    in_time = itertools.takewhile(lambda row: row[1]["p95_ms"] <= IN_TIME_MS, told.items())
    return max((float(rate) for rate, _ in in_time), default=0.0)


def sustained_in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = [
        f"{name}, {rate} clips a second: p50 {row['p50_ms']:.0f}, p95 {row['p95_ms']:.0f} ms"
        for name, rows in facts["sides"].items()
        for rate, row in rows.items()
    ]
    most = " against ".join(f"{rate:g}" for rate in facts["clips_per_s"].values())
    return "\n".join([*lines, f"clips a second with p95 within a second: {most}"])


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    now, before = facts["sides"].values()
    return "\n".join(
        f"{key:16} {now[key]:7.1f} against {before[key]:7.1f} ({ratio:.2f})"
        for key, ratio in facts["ratios"].items()
    )
