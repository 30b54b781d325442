"""How long the lab takes to start, stop and change: a lab of its own, apart from yours."""

from __future__ import annotations

import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cloud.switch import Switch, read_switch
from scripts.bench.overhead import RoundTrips, easy_clip
from scripts.console import Progress
from scripts.errors import LabError
from scripts.lab.state import IN_MEMORY_BELOW
from scripts.paths import ROOT

CLIPS = 20


class MeasuredLab:
    """A lab with its own state, port and prefix, driven by the commands that people use."""

    def __init__(self, folder: Path, kept: bool = True):
        prefix = f"bench-{secrets.token_hex(3)}"
        self.environment = {
            **os.environ,
            "FACELAB_STATE": f"{'' if kept else IN_MEMORY_BELOW}{folder / 'lab'}",
            "FACELAB_PORT": str(free_port()),
            "FACELAB_REGISTRY_PORT": str(free_port()),
            "FACELAB_PREFIX": prefix,
        }
        self.kept = kept
        self._folder = folder

    @property
    def switch(self) -> Switch:
        return read_switch(self.environment)

    def time_ms(self, *arguments: str) -> float:
        """Milliseconds of `facelab ARGUMENTS…`, its start included."""
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "scripts.cli.lab", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"facelab {arguments[0]} failed:\n{done.stderr}")
        return (time.perf_counter() - began) * 1000

    def put_clips(self) -> None:
        """What a lab has after a while: clips and their results."""
        switch = self.switch
        clip = (ROOT / "fixtures" / "lab.h264").read_bytes()[:300_000]
        s3 = switch.client("s3")
        for number in range(CLIPS):
            s3.put_object(Bucket=switch.bucket, Key=f"clips/lab/2026-11-25/{number}", Body=clip)

    def measure(self, times: int, progress: Progress) -> dict[str, list[float]]:
        """Milliseconds of each command, `times` times but for the cold start, and of the first clip
        after each start: from PUT to received message, by who asks at once."""
        snapshot, clip = str(self._folder / "bench.zip"), easy_clip()
        found: dict[str, list[float]] = {"up_cold": [self.time_ms("up")]}
        progress(f"up_cold {found['up_cold'][0] / 1000:.1f} s")
        found["first_clip"] = [RoundTrips(self.switch).once(clip, 0)[0]]
        for _ in progress.each(range(times), "rounds", times):
            self.put_clips()
            for name, arguments in (
                ("snapshot", ("snapshot", snapshot)),
                ("restore", ("restore", snapshot)),
                ("reset", ("reset",)),
                ("down", ("down",)),
                ("up_warm", ("up",)),
            ):
                found.setdefault(name, []).append(self.time_ms(*arguments))
                progress(f"{name} {found[name][-1] / 1000:.1f} s")
            found["first_clip"].append(RoundTrips(self.switch).once(clip, 0)[0])
            progress(f"first clip {found['first_clip'][-1] / 1000:.2f} s")
        return found

    def remove(self) -> None:
        self.time_ms("down", "--forget")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(times: int, progress: Progress) -> dict[str, Any]:
    """Medians of a lab's commands and of its first clips, from `times` rounds."""
    with tempfile.TemporaryDirectory() as folder:
        lab = MeasuredLab(Path(folder))
        try:
            found = lab.measure(times, progress)
        finally:
            lab.remove()
    return {
        "lab_ms": {name: round(statistics.median(each)) for name, each in found.items()},
        "times": times,
        "clips": CLIPS,
        "cpus": os.cpu_count(),
        "load_average_1m": round(os.getloadavg()[0], 1),
    }


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    return "\n".join(f"{name:>10}  {ms / 1000:6.2f} s" for name, ms in facts["lab_ms"].items())
