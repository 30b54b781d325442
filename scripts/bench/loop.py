"""The whole loop, ours and the report's, through one emulator on the same clips, by turns.

Ours is the programs that a person would start, at the camera's pace of two clips a second. Each
turn plays the clips once through ours, then some of them through the report's design (see
`loop_report`), so that a machine whose speed drifts slows both. Writes out/loop.json.
"""

from __future__ import annotations

import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from cloud.switch import Switch
from cloud.traces import traces_folder
from device.settings import spool_folder
from scripts.bench.cold import cold_start_ms
from scripts.bench.loop_figures import gap, parts_of, side
from scripts.bench.loop_report import CLIP_S, DEAD_S, Printed, ReportLoop
from scripts.console import Progress
from scripts.e2e.film import film_clips
from scripts.e2e.players import Player
from scripts.e2e.truth import read_truth
from scripts.errors import LabError
from scripts.lab.cpu import emulator_family, spent_s
from scripts.machine import cpu_model
from scripts.paths import ROOT
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.function_log import FunctionLog

FIXTURES = ROOT / "fixtures"
PATIENCE_S = 60.0


@dataclass
class Ours:
    """What our two programs said. `shown` has all results by clip id, ms from the clip's end; those
    of another run may have waited in the queue."""

    shown: dict[str, float] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)
    is_listening: bool = False

    @property
    def latencies(self) -> dict[str, float]:
        return {one: ms for one, ms in self.shown.items() if one in self.recorded}

    def camera_said(self, event: dict[str, Any]) -> None:
        if event["event"] == "clip":
            with self.changed:
                self.recorded.add(event["clip_id"])
                self.changed.notify_all()

    def messages_said(self, event: dict[str, Any]) -> None:
        with self.changed:
            self.is_listening = True
            if event["event"] == "result" and event["latency_ms"]:
                self.shown[event["clip_id"]] = event["latency_ms"]["clip_end"]
            self.changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], why: str) -> None:
        with self.changed:
            if not self.changed.wait_for(condition, PATIENCE_S):
                raise LabError(why, "`make status` and `make logs` show what waits where")


class Costs:
    """CPU time of processes by name, in ms; what each spends inside `counting`."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def counting(self, processes: Callable[[], dict[str, list[psutil.Process]]]) -> Iterator[None]:
        before = _cpu_ms(processes())
        yield
        for name, spent in _cpu_ms(processes()).items():
            self.ms[name] = self.ms.get(name, 0.0) + spent - before.get(name, 0.0)


def _cpu_ms(processes: dict[str, list[psutil.Process]]) -> dict[str, float]:
    # With what has ended: ffmpeg, which the report starts for each clip.
    return {name: s * 1000 for name, s in spent_s(processes, with_ended=True).items()}


def chosen_clips(count: int) -> list[bytes]:
    """Clips with one person and nothing hard about them, of all people in turn."""
    easy = [
        one for one in read_truth(FIXTURES / "truth.json") if one.is_single_person and not one.tags
    ]
    by_person: dict[str, list[int]] = {}
    for one in easy:
        by_person.setdefault(one.visible[0], []).append(one.index)
    order = [index for turn in zip(*by_person.values(), strict=False) for index in turn]
    clips = film_clips(FIXTURES / "lab.h264")
    return [clips[index] for index in order[:count]]


class Bench:
    """Both loops and what they were seen to do."""

    def __init__(self, switch: Switch, clips: list[bytes], folder: Path, report: ReportLoop):
        self._switch, self._clips, self._folder, self._report = switch, clips, folder, report
        self.ours = Ours()
        self.theirs: list[Printed] = []
        self.costs = {"facelab": Costs(), "report_style": Costs()}
        self._film = folder / "film.h264"
        self._film.write_bytes(b"".join(clips))

    def play_ours(self) -> None:
        """Every clip once, at the camera's pace, until all are printed."""
        mine = ("--device", self._switch.device_id, "--spool", str(self._folder / "spool"))
        expected = len(self.ours.recorded) + len(self._clips)
        costs = self.costs["facelab"]
        self.ours.is_listening = False
        camera_ms: list[float] = []

        def camera_said(event: dict[str, Any]) -> None:
            if event["event"] == "clip":
                camera_ms.append(_cpu_ms({"": [psutil.Process(camera.pid)]})[""])
            self.ours.camera_said(event)

        with Player("device.messages", *mine, on_event=self.ours.messages_said) as messages:
            self.ours.wait_until(lambda: self.ours.is_listening, "messages did not start")
            viewer = {"messages": [psutil.Process(messages.pid)]}
            camera = Player(
                "device.camera", *mine, "--source", str(self._film), on_event=camera_said
            )
            with costs.counting(lambda: {**emulator_family(), **viewer}), camera:
                camera.wait(len(self._clips) * CLIP_S + PATIENCE_S)
                self.ours.wait_until(
                    lambda: (
                        len(self.ours.recorded) == expected
                        and self.ours.recorded <= self.ours.shown.keys()
                    ),
                    "not every clip was answered",
                )
        # Between its clips: what its imports cost, a camera that runs for hours does not feel.
        a_clip = (camera_ms[-1] - camera_ms[0]) / max(1, len(camera_ms) - 1)
        costs.ms["camera"] = costs.ms.get("camera", 0.0) + a_clip * len(self._clips)

    def play_theirs(self, clips: Iterable[bytes]) -> None:
        for clip in clips:
            with self.costs["report_style"].counting(self._their_processes):
                self.theirs.append(self._report.once(clip, len(self.theirs)))

    def _their_processes(self) -> dict[str, list[psutil.Process]]:
        emulator = emulator_family().get("emulator", [])
        return {"emulator": emulator} | {
            name: [one] for name, one in self._report.processes().items()
        }

    def our_parts(self, since_ms: int) -> dict[str, dict[str, float]]:
        """Parts of each clip's way, by clip id, from what all stations wrote down."""
        spans = DeviceSpans(traces_folder(spool_folder()))  # where `Player` lets them stay
        spans.refresh()
        lines = FunctionLog(self._switch).clips(since_ms)
        return {
            line.clip_id: parts
            for line in lines
            if line.clip_id in self.ours.latencies
            and (parts := parts_of(line, spans.of(line.device_id, line.clip_id)))
        }


def measure(
    switch: Switch, turns: int, clips: int, report_clips: int, progress: Progress
) -> dict[str, Any]:
    """Both loops by turns: in each `clips` of ours, then `report_clips` of the report's."""
    played = chosen_clips(clips)
    with tempfile.TemporaryDirectory() as folder, ReportLoop(switch, progress) as report:
        bench = Bench(switch, played, Path(folder), report)
        began_ms = time.time_ns() // 1_000_000
        for turn in progress.each(range(turns), "turns", turns):
            progress(f"turn {turn + 1} of {turns}: ours")
            bench.play_ours()
            progress(f"turn {turn + 1} of {turns}: the report's design")
            first = turn * report_clips
            bench.play_theirs(
                played[(first + number) % len(played)] for number in range(report_clips)
            )
        parts = bench.our_parts(began_ms)
        cold_ms = cold_start_ms(switch, played[0], progress)
    facts = _facts(bench, parts, cold_ms, report.init_ms)
    for name in ("facelab", "report_style"):
        if why := gap(facts[name]):
            progress(f"{name}: {why}")
    return facts


def _facts(
    bench: Bench, parts: dict[str, dict[str, float]], cold_ms: float, their_init_ms: float
) -> dict[str, Any]:
    ours = side(
        list(bench.ours.latencies.values()), list(parts.values()), bench.costs["facelab"].ms
    )
    theirs = side(
        [one.clip_end_ms for one in bench.theirs],
        [one.stages_ms for one in bench.theirs],
        bench.costs["report_style"].ms,
    )
    theirs |= {"camera_s_per_clip": CLIP_S + DEAD_S, "init_ms": their_init_ms}
    ratio = theirs["clip_end_ms"]["p50"] / ours["clip_end_ms"]["p50"]
    return {
        "facelab": ours,
        "report_style": theirs,
        "ratio_p50": round(ratio, 1),
        "cold_ms": round(cold_ms, 1),
        "cpu_ms_per_clip": ours["cpu_ms_per_clip"],
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count(),
        "cpu": cpu_model(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }
