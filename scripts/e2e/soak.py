"""Several devices at once: does every result reach its own device, and only that?

Each device is two processes, device.camera and device.messages, as on a Pi; each plays the
fixture at the camera's own pace, two clips a second. `python -m scripts.e2e.soak --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.switch import Switch, read_switch
from scripts.console import Progress, print_json, run_command
from scripts.e2e.players import Player
from scripts.lab.backends import choose_backend
from scripts.lab.state import LabState
from scripts.paths import ROOT
from scripts.percentiles import percentiles
from scripts.provision.devices import add_device, remove_device

FILM = ROOT / "fixtures" / "lab.h264"
CLIPS_A_SECOND = 2
PATIENCE_S = 90.0


@dataclass
class DeviceLog:
    """What one device's two programs said, with the time on our clock (s)."""

    device_id: str
    recorded: dict[str, float] = field(default_factory=dict)
    shown: list[tuple[str, float]] = field(default_factory=list)
    claimed_by: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    repeated: int = 0

    @property
    def answered(self) -> set[str]:
        return {clip_id for clip_id, _ in self.shown} & self.recorded.keys()


class Soak:
    """Collects what all programs say."""

    def __init__(self, device_ids: list[str], progress: Progress):
        self.devices = {one: DeviceLog(one) for one in device_ids}
        self.memory_mb: dict[str, dict[str, int]] = {}
        self._progress = progress
        self._changed = threading.Condition()
        self._listening: set[str] = set()
        self._last_event = time.monotonic()

    def camera_of(self, device_id: str) -> Callable[[dict[str, Any]], None]:
        def said(event: dict[str, Any]) -> None:
            if event["event"] == "clip":
                with self._changed:
                    self.devices[device_id].recorded[event["clip_id"]] = time.monotonic()
                    self._note()

        return said

    def messages_of(self, device_id: str) -> Callable[[dict[str, Any]], None]:
        def said(event: dict[str, Any]) -> None:
            with self._changed:
                log = self.devices[device_id]
                if event["event"] == "start":
                    self._listening.add(device_id)
                elif event["event"] == "duplicate":
                    log.repeated += 1
                elif event["event"] == "result":
                    log.shown.append((event["clip_id"], time.monotonic()))
                    log.claimed_by.append(event["device_id"])
                    log.statuses[event["status"]] += 1
                    if event["latency_ms"]:
                        log.latencies_ms.append(event["latency_ms"]["clip_end"])
                    self._tell()
                self._note()

        return said

    def wait_until_listening(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self._listening == self.devices.keys(), timeout=seconds
            )

    def wait_until_answered(self) -> None:
        """Until every recorded clip is answered, or nothing is said for PATIENCE_S."""
        with self._changed:
            while any(log.answered != log.recorded.keys() for log in self.devices.values()):
                left = self._last_event + PATIENCE_S - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def wait_for_clips(self, count: int, seconds: float) -> None:
        """Until that many were recorded by all devices together."""
        with self._changed:
            self._changed.wait_for(
                lambda: sum(len(one.recorded) for one in self.devices.values()) >= count, seconds
            )

    def note_memory(self, moment: str, memory: Callable[[], dict[str, int]]) -> None:
        for process, size_mb in memory().items():
            self.memory_mb.setdefault(process, {})[moment] = size_mb

    def _note(self) -> None:
        self._last_event = time.monotonic()
        self._changed.notify_all()

    def _tell(self) -> None:
        shown = sum(len(log.shown) for log in self.devices.values())
        recorded = sum(len(log.recorded) for log in self.devices.values())
        if shown % 100 == 0:
            self._progress(f"{recorded} clips recorded, {shown} results shown")


def report(soak: Soak, seconds: float, backend: str) -> dict[str, Any]:
    """The run in figures. `ok` says that every clip came back, once, to its own device."""
    logs = list(soak.devices.values())
    per_device = {log.device_id: _device_report(log) for log in logs}
    times = sorted(t for log in logs for t in log.recorded.values())
    answers = sorted(t for log in logs for _, t in log.shown)
    asked = round(seconds * CLIPS_A_SECOND) * len(logs)
    totals = {
        name: sum(row[name] for row in per_device.values())
        for name in ("recorded", "answered", "lost", "foreign", "shown_twice", "repeats_dropped")
    }
    recording_s = times[-1] - times[0] if times else 0.0
    span_s = answers[-1] - times[0] if answers else 0.0
    return {
        "ok": totals["recorded"] == asked
        and totals["lost"] == totals["foreign"] == totals["shown_twice"] == 0,
        "backend": backend,
        "cpus": os.cpu_count(),
        "load_average_1m": round(os.getloadavg()[0], 1),
        "devices": len(logs),
        "seconds": seconds,
        "clips_asked": asked,
        **totals,
        "statuses": dict(sum((log.statuses for log in logs), Counter())),
        "recording_s": round(recording_s, 1),
        "last_answer_after_recording_s": round(answers[-1] - times[-1], 1) if answers else None,
        "answered_per_s": round(len(answers) / span_s, 2) if span_s else None,
        "most_clips_under_way": _most_under_way(times, answers),
        "latency_ms": percentiles([ms for log in logs for ms in log.latencies_ms]),
        "memory_mb": soak.memory_mb,
        "per_device": per_device,
    }


def _device_report(log: DeviceLog) -> dict[str, Any]:
    shown = [clip_id for clip_id, _ in log.shown]
    return {
        "recorded": len(log.recorded),
        "answered": len(log.answered),
        "lost": len(log.recorded.keys() - log.answered),
        # A result that is of no clip of this device, by its id or by its own word.
        "foreign": sum(
            clip_id not in log.recorded or claimed != log.device_id
            for clip_id, claimed in zip(shown, log.claimed_by, strict=True)
        ),
        "shown_twice": len(shown) - len(set(shown)),
        "repeats_dropped": log.repeated,
        "latency_ms": percentiles(log.latencies_ms),
    }


def _most_under_way(recorded: list[float], answered: list[float]) -> int:
    """The largest number of clips that were recorded and not yet answered."""
    steps = sorted([(t, 1) for t in recorded] + [(t, -1) for t in answered])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def summary(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['devices']} devices, {facts['recorded']} of {facts['clips_asked']} clips recorded "
        f"in {facts['recording_s']:.0f} s, {facts['answered']} answered",
        f"lost {facts['lost']}, to a wrong device {facts['foreign']}, "
        f"shown twice {facts['shown_twice']}",
    ]
    if latency := facts["latency_ms"]:
        lines += [
            f"{facts['answered_per_s']} answers a second, the last one "
            f"{facts['last_answer_after_recording_s']} s after recording had ended, "
            f"at most {facts['most_clips_under_way']} clips under way",
            f"latency from clip end: p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms "
            f"({facts['cpus']} CPUs, load {facts['load_average_1m']})",
        ]
    return "\n".join(lines)


@contextmanager
def added(switch: Switch, count: int, progress: Progress) -> Iterator[list[str]]:
    """Devices of this run alone, so that nothing of another run waits in their queues."""
    run = secrets.token_hex(2)
    device_ids = [f"soak-{run}-{number}" for number in range(1, count + 1)]
    try:
        for device_id in device_ids:
            add_device(switch, device_id, progress)
        yield device_ids
    finally:
        for device_id in device_ids:
            remove_device(switch, device_id, progress)


Memory = Callable[[], dict[str, int]]
"""Memory of each of the lab's processes (MB)."""


def play(device_ids: list[str], seconds: float, progress: Progress, memory: Memory) -> Soak:
    """Run every device's programs to the end."""
    soak = Soak(device_ids, progress)
    count = round(seconds * CLIPS_A_SECOND)
    with ExitStack() as stack:
        spools = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for device_id in device_ids:
            mine = ("--device", device_id, "--spool", str(spools / device_id))
            stack.enter_context(
                Player("device.messages", *mine, on_event=soak.messages_of(device_id))
            )
        soak.wait_until_listening(PATIENCE_S)
        progress(f"{len(device_ids)} devices record {count} clips each")
        cameras = [
            stack.enter_context(
                Player(
                    "device.camera",
                    *("--device", device_id, "--spool", str(spools / device_id)),
                    *("--source", str(FILM), "--loop", "--count", str(count)),
                    on_event=soak.camera_of(device_id),
                )
            )
            for device_id in device_ids
        ]
        soak.note_memory("start", memory)
        soak.wait_for_clips(count * len(device_ids) // 2, seconds)
        soak.note_memory("middle", memory)
        for camera in cameras:
            camera.wait(seconds + PATIENCE_S)
        soak.wait_until_answered()
        soak.note_memory("end", memory)
    return soak


def lab_memory(switch: Switch, progress: Progress) -> Memory:
    """How to ask for the lab's memory; on AWS there is no process of ours to ask about."""
    if switch.is_aws:
        return dict
    return choose_backend(switch, LabState(), progress).memory_mb


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="facelab soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--devices", type=int, default=4, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "soak.json")
    parser.add_argument("--json", action="store_true", help="print soak.json, not the summary")
    options = parser.parse_args(arguments)
    if options.devices < 1 or options.seconds * CLIPS_A_SECOND < 1:
        parser.error("at least one device and half a second")
    switch, progress = read_switch(), Progress()
    with added(switch, options.devices, progress) as device_ids:
        soak = play(device_ids, options.seconds, progress, lab_memory(switch, progress))
    facts = report(soak, options.seconds, switch.backend or "emulator")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(facts, indent=2) + "\n")
    if options.json:
        print_json(facts)
    else:
        print(summary(facts))
    progress(f"wrote {options.out}")
    if not facts["ok"]:
        print("facelab: not every clip came back, once, to its own device", file=sys.stderr)
        print(
            "  hint: `make status` shows what waits, `make logs` what the function said",
            file=sys.stderr,
        )
    return 0 if facts["ok"] else 1


if __name__ == "__main__":
    run_command(main)
