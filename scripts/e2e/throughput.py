"""How many clips a second the lab answers within a second: for 1, 2, 4 and 8 devices.

Each device is two processes, as on a Pi, and plays easy clips of the fixture for some seconds. The
rate rises by a quarter until clips are lost or the slowest twentieth takes more than a second, and
falls by as much where that is so from the start. Writes out/throughput.json and a picture.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cloud.switch import Switch, read_switch
from scripts.bench.loop import chosen_clips, machine
from scripts.console import Progress
from scripts.e2e.soak import PATIENCE_S, Cameras, Played, Viewers, added, play
from scripts.e2e.soak_report import SoakPlan
from scripts.e2e.throughput_picture import picture
from scripts.json_file import write_json
from scripts.lab.cpu import emulator_family, spent_s
from scripts.percentiles import percentiles
from scripts.progress_bar import Step

DEVICES = (1, 2, 4, 8)
FIRST_RATE = 4.0
STEP = 1.25
GOAL_MS = 1000.0
# Beyond that a machine has no room for anything that comes on top.
FULL = 0.85
FILM_CLIPS = 12


@dataclass(frozen=True)
class Trial:
    """One rate that was tried. `cpu` is the share of all CPUs by kind of process, 0 to 1."""

    devices: int
    asked_per_s: float
    clips_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    lost: int
    cpu: dict[str, float]
    memory_mb: dict[str, int]

    @property
    def is_sustained(self) -> bool:
        return not self.lost and self.p95_ms is not None and self.p95_ms <= GOAL_MS

    def to_fields(self) -> dict[str, Any]:
        return {
            "clips_per_s": self.clips_per_s,
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "lost": self.lost,
            "asked_per_s": self.asked_per_s,
            "is_sustained": self.is_sustained,
            "cpu": self.cpu,
            "memory_mb": self.memory_mb,
        }


@dataclass(frozen=True)
class Trials:
    """At most so many, each so long, of this film."""

    most: int
    seconds: float
    film: Path


class Window:
    """Some seconds in which all cameras record; it ends them then.

    Only what lies within counts: of a fleet the first record long before the last have started,
    and their starts take more of a small machine than their clips. `cpu` is what the machine's
    CPUs did, by kind of process: `devices` are the programs of this run and this one, `others`
    whatever else this machine does. `memory_mb` is the largest program's of each kind.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.cpu: dict[str, float] = {}
        self.memory_mb: dict[str, int] = {}
        self.began = self.ended = math.inf

    def __call__(self, viewers: Viewers, cameras: Cameras) -> None:
        programs = [psutil.Process(one.pid) for one in (*viewers, *cameras)]
        before, self.began = _spent(programs), time.monotonic()
        time.sleep(self.seconds)
        after, self.ended = _spent(programs), time.monotonic()
        spent = {name: s - before.get(name, 0.0) for name, s in after.items()}
        total, busy = spent.pop("total"), spent.pop("all")
        spent["others"] = max(0.0, busy - sum(spent.values()))
        self.cpu = {name: round(s / total, 3) for name, s in {**spent, "all": busy}.items()}
        for name, players in (("messages", viewers), ("camera", cameras)):
            sizes = [psutil.Process(one.pid).memory_info().rss for one in players]
            self.memory_mb[name] = round(max(sizes) / 1e6)
        for camera in cameras:
            camera.ask_to_end()

    def has(self, moment: float) -> bool:
        return self.began <= moment < self.ended


def _spent(programs: Sequence[psutil.Process]) -> dict[str, float]:
    """CPU seconds so far, by kind of process; of all of them, and that there were."""
    machine = psutil.cpu_times()
    kinds = {**emulator_family(), "devices": [psutil.Process(), *programs]}
    return {**spent_s(kinds), "all": sum(machine) - machine.idle, "total": sum(machine)}


def trial(
    switch: Switch, devices: int, rate: float, seconds: float, film: Path, progress: Progress
) -> Trial:
    """Play `rate` clips a second, of all devices together, for some seconds."""
    # More than are recorded until the window ends them, whatever the starts take.
    clips_each = math.ceil(rate * (seconds + devices * PATIENCE_S) / devices)
    plan = SoakPlan(devices, clips_each, rate / devices)
    window = Window(seconds)
    quiet = Progress(quiet=True)
    with added(switch, devices, quiet) as device_ids:
        played = play(switch, device_ids, plan, film, quiet, window)
    found = measured(played, window, rate)
    progress(f"{_trial_in_words(devices, found.to_fields())}, CPUs {found.cpu['all']:.0%} busy")
    return found


def measured(played: Played, window: Window, rate: float) -> Trial:
    """What happened within the window; but a clip without an answer is lost whenever it was."""
    logs = list(played.soak.devices.values())
    latencies = percentiles(
        [
            log.latency_ms[clip_id]
            for log in logs
            for clip_id, moment in log.recorded.items()
            if window.has(moment) and clip_id in log.latency_ms
        ]
    )
    shown = sum(window.has(moment) for log in logs for _, moment in log.shown)
    memory = dict(window.memory_mb)
    for sample in played.samples:
        for name, size in sample.memory_mb.items():
            memory[name] = max(memory.get(name, 0), size)
    return Trial(
        len(logs),
        round(rate, 2),
        round(shown / window.seconds, 2),
        latencies["p50"] if latencies else None,
        latencies["p95"] if latencies else None,
        sum(len(log.recorded.keys() - log.answered) for log in logs),
        window.cpu,
        memory,
    )


def search(
    switch: Switch,
    devices: int,
    first: float,
    trials: Trials,
    progress: Progress,
    step: Step = lambda done: None,
) -> list[Trial]:
    """Rates around the highest that is sustained, in the order in which they were tried; `step` is
    called after each."""
    tried: list[Trial] = []
    rate = first
    for _ in range(trials.most):
        tried.append(trial(switch, devices, rate, trials.seconds, trials.film, progress))
        step(1)
        rose = [one for one in tried if one.is_sustained]
        fell = [one for one in tried if not one.is_sustained]
        if rose and fell:
            break
        rate = rate * STEP if tried[-1].is_sustained else rate / STEP
    return tried


def best(tried: list[Trial]) -> Trial:
    """The highest rate that is sustained; where none is, the one with the least latency."""
    sustained = [one for one in tried if one.is_sustained]
    if sustained:
        return max(sustained, key=lambda one: one.clips_per_s)
    return min(tried, key=lambda one: (one.lost, one.p95_ms or math.inf))


def saturated(tried: list[Trial]) -> dict[str, Any]:
    """What ran out at the lowest rate that was too much."""
    over = [one for one in tried if not one.is_sustained]
    if not over:
        return {"resource": None, "why": "no rate that was tried was too much"}
    first = min(over, key=lambda one: one.asked_per_s)
    kinds = {name: share for name, share in first.cpu.items() if name != "all"}
    busiest = max(kinds, key=lambda name: kinds[name])
    is_full = first.cpu["all"] >= FULL
    return {
        "resource": "cpu" if is_full else "waiting",
        "stage": busiest,
        "at_clips_per_s": first.asked_per_s,
        "why": f"{first.cpu['all']:.0%} of all CPUs busy, {kinds[busiest]:.0%} by {busiest}",
    }


def measure(
    device_counts: Sequence[int], rate: float, most: int, seconds: float, progress: Progress
) -> dict[str, Any]:
    """The best trial of each number of devices; the first of all begins with `rate` clips a
    second, and for each there are `most` of `seconds`."""
    switch, first = read_switch(), rate
    every: dict[int, list[Trial]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        progress.bar("trials", most * len(device_counts)) as step,
    ):
        trials = Trials(most, seconds, Path(folder) / "film.h264")
        trials.film.write_bytes(b"".join(chosen_clips(FILM_CLIPS)))
        for devices in device_counts:
            every[devices] = search(switch, devices, first, trials, progress, step)
            step(most - len(every[devices]))  # those that were not needed
            first = best(every[devices]).asked_per_s
    chosen = {devices: best(tried) for devices, tried in every.items()}
    return {
        "max_clips_per_s": max(
            (one.clips_per_s for one in chosen.values() if one.is_sustained), default=0.0
        ),
        "devices": {
            str(devices): one.to_fields() | {"saturates": saturated(every[devices])}
            for devices, one in chosen.items()
        },
        "trials": [
            {"devices": one.devices} | one.to_fields() for tried in every.values() for one in tried
        ],
        "machine": machine(),
    }


def keep(facts: dict[str, Any], out: Path, progress: Progress) -> None:
    """Write `out`, and its picture beside."""
    write_json(out, facts)
    drawn = out.with_suffix(".svg")
    drawn.write_text(picture(facts["trials"], GOAL_MS))
    progress(f"wrote {out} and {drawn}")


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    return "\n".join(
        f"{_trial_in_words(int(devices), one)}: "
        f"{'sustained' if one['is_sustained'] else 'NOT sustained'}; {one['saturates']['why']}"
        for devices, one in facts["devices"].items()
    )


def _trial_in_words(devices: int, fields: dict[str, Any]) -> str:
    latency = "no answers"
    if fields["p50_ms"] is not None and fields["p95_ms"] is not None:
        latency = f"p50 {fields['p50_ms']:.0f} ms, p95 {fields['p95_ms']:.0f} ms"
    rate = f"{fields['clips_per_s']:.1f} clips/s"
    return f"{devices} devices, {rate}: {latency}, {fields['lost']} lost"
