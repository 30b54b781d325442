"""Play the fixture through the whole loop and compare every result with the truth."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cloud.switch import read_switch
from contract.printable import printable
from contract.results import Result
from scripts.cli.parsing import positive, task_parser
from scripts.console import Progress, print_json, print_lines, run_command
from scripts.e2e.bring_up import bring_up
from scripts.e2e.film import film_clips
from scripts.e2e.players import Player
from scripts.e2e.report import e2e_json, summary, table
from scripts.e2e.truth import Comparison, ShownResult, read_truth
from scripts.json_file import write_json
from scripts.lab.cpu import emulator_family, spent_s
from scripts.paths import ROOT
from scripts.progress_bar import Step
from scripts.report.e2e import e2e_report
from scripts.report.page import write_page

FIXTURES = ROOT / "fixtures"
PATIENCE_S = 60.0


class Run:
    """Collects what the two programs say."""

    def __init__(self, progress: Progress, clips: int):
        self._progress = progress
        self._clips = clips
        self._lock = threading.Lock()
        self.indices: dict[str, int] = {}
        self.results: dict[str, ShownResult] = {}
        self.duplicates = 0
        self.listening = threading.Event()
        self.complete = threading.Event()
        self.last_event = time.monotonic()
        self.step: Step = lambda done: None

    def camera_said(self, event: dict[str, Any]) -> None:
        if event["event"] == "clip":
            with self._lock:
                self.indices[event["clip_id"]] = event["sequence"]
                self._check()

    def messages_said(self, event: dict[str, Any]) -> None:
        self.listening.set()
        if event.pop("event") != "result":
            return
        latency = event.pop("latency_ms") or {}
        known = Result.__dataclass_fields__
        result = Result.from_json(json.dumps({k: v for k, v in event.items() if k in known}))
        answer = ShownResult(
            result, latency.get("clip_end", 0.0), latency.get("capture_start", 0.0)
        )
        with self._lock:
            self.duplicates += result.clip_id in self.results
            self.results[result.clip_id] = answer
            self.step(1)
            self.last_event = time.monotonic()
            if len(self.results) % 20 == 0:
                self._progress(f"{len(self.results)} of {self._clips} clips answered")
            self._check()

    def _check(self) -> None:
        if len(self.indices) == self._clips and self.indices.keys() <= self.results.keys():
            self.complete.set()

    def answers(self) -> dict[int, ShownResult]:
        """Results by the clip's place in the fixture; those of other runs are left out."""
        return {
            index: self.results[clip_id]
            for clip_id, index in self.indices.items()
            if clip_id in self.results
        }


def play(progress: Progress, device: str, clips: int, speed: float) -> Run:
    """Run camera and messages until every clip is answered, or nothing comes any more."""
    run = Run(progress, clips)
    with (
        tempfile.TemporaryDirectory() as spool,
        Player("device.messages", "--device", device, "--spool", spool, on_event=run.messages_said),
    ):
        run.listening.wait(PATIENCE_S)
        progress(f"playing {clips} clips of fixtures/lab.h264 at {speed:g}× their pace")
        with (
            progress.bar("clips answered", clips) as run.step,
            Player(
                "device.camera",
                *("--source", str(FIXTURES / "lab.h264"), "--device", device),
                *("--speed", str(speed), "--spool", spool),
                on_event=run.camera_said,
            ) as camera,
        ):
            camera.wait(clips * 0.5 / speed + PATIENCE_S)
            run.last_event = time.monotonic()
            while not run.complete.wait(1.0):
                if time.monotonic() - run.last_event > PATIENCE_S:
                    break
    return run


def _cpu_s() -> dict[str, float]:
    """CPU time so far: of the lab's processes, and of the device's programs that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {**spent_s(emulator_family()), "device": ended.ru_utime + ended.ru_stime}


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("e2e", __doc__)
    parser.add_argument("--speed", type=positive, default=1.0, help="1 plays at the camera's pace")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "out" / "e2e.json",
        metavar="FILE",
        help="default: out/e2e.json",
    )
    options = parser.parse_args(arguments)

    switch, progress = read_switch(), Progress()
    name = bring_up(switch, progress)
    truth = read_truth(FIXTURES / "truth.json")
    before = _cpu_s()
    run = play(progress, switch.device_id, len(truth), options.speed)
    cpu_ms = {what: (s - before.get(what, 0.0)) * 1000 / len(truth) for what, s in _cpu_s().items()}
    comparison = Comparison(truth, run.answers(), run.duplicates)
    facts = e2e_json(comparison, name, cpu_ms)
    write_json(options.out, facts)
    page = options.out.with_name("report.html")
    write_page(e2e_report(comparison, facts, film_clips(FIXTURES / "lab.h264")), page)

    if options.json:
        print_json(facts)
    else:
        print_lines(f"\n{table(comparison)}\n\n{summary(facts)}\n")
    failures = comparison.failures()
    for line in failures:
        print(f"facelab: {printable(line)}", file=sys.stderr)
    if failures:
        print(
            "  hint: `make logs` shows what the function said, `make status` what waits where",
            file=sys.stderr,
        )
    stop = "make aws-down" if switch.is_aws else "make down"
    progress(f"wrote {options.out} and {page}; the lab stays up, `{stop}` stops it")
    return 1 if failures else 0


if __name__ == "__main__":
    run_command(main)
