"""Several devices at once: does every result reach its own device, and does the lab stay as it is?

Each device is two processes, device.camera and device.messages, as on a Pi; each plays the
fixture at the camera's own pace, two clips a second, or at another. Meanwhile memory, open files,
queues and spools are looked at; a long run fails on growth and on answers that get slower.
"""

from __future__ import annotations

import random
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.switch import Switch, read_switch
from scripts.console import Progress
from scripts.e2e.bring_up import bring_up
from scripts.e2e.film import read_film
from scripts.e2e.players import Player
from scripts.e2e.soak_report import DeviceLog, SoakPlan, report
from scripts.e2e.steadiness import Sample, Sampler, judge
from scripts.json_file import write_json
from scripts.lab.backends import choose_backend
from scripts.lab.kept import KeptState
from scripts.lab.memory import ProcessNames
from scripts.lab.state import LabState
from scripts.progress_bar import Step
from scripts.provision.devices import add_device, remove_device
from scripts.report.page import write_page
from scripts.report.soak import soak_report

CLIPS_A_SECOND = 2
PATIENCE_S = 90.0
SAMPLE_S = 2.0
MOST_SAMPLES = 200


class Soak:
    """Collects what all programs say."""

    def __init__(self, device_ids: list[str], progress: Progress):
        self.devices = {one: DeviceLog(one) for one in device_ids}
        self._progress = progress
        self._changed = threading.Condition()
        self._listening: set[str] = set()
        self._started: set[str] = set()
        self._last_event = time.monotonic()
        self._latencies: list[float] = []
        self.step: Step = lambda done: None

    def camera_of(self, device_id: str) -> Callable[[dict[str, Any]], None]:
        def said(event: dict[str, Any]) -> None:
            with self._changed:
                if event["event"] == "start":
                    self._started.add(device_id)
                elif event["event"] == "clip":
                    self.devices[device_id].record(event, time.monotonic())
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
                    log.show(event, time.monotonic())
                    self.step(1)
                    if event["latency_ms"]:
                        self._latencies.append(event["latency_ms"]["clip_end"])
                    self._tell()
                self._note()

        return said

    def wait_until_listening(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self._listening == self.devices.keys(), timeout=seconds
            )

    def wait_until_started(self, device_id: str, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: device_id in self._started, timeout=seconds)

    def wait_until_all_record(self, seconds: float) -> bool:
        """Until every camera has recorded a clip."""
        with self._changed:
            return self._changed.wait_for(
                lambda: all(log.recorded for log in self.devices.values()), timeout=seconds
            )

    def wait_until_answered(self) -> None:
        """Until every recorded clip is answered, or nothing is said for PATIENCE_S."""
        with self._changed:
            while any(log.answered != log.recorded.keys() for log in self.devices.values()):
                left = self._last_event + PATIENCE_S - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def counts(self) -> tuple[int, int]:
        """Clips recorded and answered so far."""
        with self._changed:
            logs = list(self.devices.values())
            return sum(len(one.recorded) for one in logs), sum(len(one.answered) for one in logs)

    def new_latencies(self) -> list[float]:
        """Latencies (ms) since this was last asked."""
        with self._changed:
            found, self._latencies = self._latencies, []
            return found

    def _note(self) -> None:
        self._last_event = time.monotonic()
        self._changed.notify_all()

    def _tell(self) -> None:
        shown = sum(len(log.shown) for log in self.devices.values())
        recorded = sum(len(log.recorded) for log in self.devices.values())
        if shown % 100 == 0:
            self._progress(f"{recorded} clips recorded, {shown} results shown")


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


class Look:
    """One look at everything that could grow, for the sampler."""

    def __init__(self, switch: Switch, soak: Soak, spools: Path, progress: Progress):
        self._switch = switch
        self._soak = soak
        self._spools = spools
        self._began = time.monotonic()
        self._names = ProcessNames()
        self._sqs = switch.client("sqs")
        names = switch.names
        queues = [names.dead_letters, *(names.result_queue(one) for one in soak.devices)]
        self._urls = [self._sqs.get_queue_url(QueueName=one)["QueueUrl"] for one in queues]
        # On AWS there is no process of ours to ask about.
        self._backend = None if switch.is_aws else choose_backend(switch, LabState(), progress)

    def __call__(self) -> Sample:
        recorded, answered = self._soak.counts()
        latencies = self._soak.new_latencies()
        processes = self._backend.processes() if self._backend else []
        named = {self._names.of(one): one for one in processes}
        letters, *results = [self._depth(url) for url in self._urls]
        return Sample(
            at_s=round(time.monotonic() - self._began, 1),
            recorded=recorded,
            answered=answered,
            latency_p50_ms=round(statistics.median(latencies), 1) if latencies else None,
            memory_mb={name: one.memory_mb for name, one in named.items()},
            descriptors={
                name: one.descriptors for name, one in named.items() if one.descriptors is not None
            },
            spooled=sum(1 for _ in self._spools.rglob("*.h264")),
            results_waiting=sum(results),
            dead_letters=letters,
            state_mb=KeptState.of(self._switch).size_mb if self._backend else None,
        )

    def _depth(self, url: str) -> int:
        asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=asked)
        return sum(int(answer["Attributes"][name]) for name in asked)


@dataclass
class Played:
    """A run that has ended; `steady` are the samples taken while the cameras recorded."""

    soak: Soak
    samples: list[Sample]
    steady: list[Sample]


Cameras = Sequence[Player]
Viewers = Sequence[Player]


def play(
    switch: Switch,
    device_ids: list[str],
    plan: SoakPlan,
    film: Path,
    progress: Progress,
    while_all_record: Callable[[Viewers, Cameras], None] = lambda viewers, cameras: None,
) -> Played:
    """Run every device's programs to the end. `while_all_record` is called once every camera has
    recorded a clip; it may take its time, and end them.

    Cameras are started one after the other, each at some moment within a clip: whoever starts all
    of a fleet's at once sees nothing but bursts.
    """
    soak = Soak(device_ids, progress)
    moments = random.Random(len(device_ids))  # noqa: S311  the same for each run
    with ExitStack() as stack:
        spools = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        viewers = [
            stack.enter_context(
                Player(
                    "device.messages",
                    *("--device", device_id, "--spool", str(spools / device_id)),
                    on_event=soak.messages_of(device_id),
                )
            )
            for device_id in device_ids
        ]
        soak.wait_until_listening(PATIENCE_S)
        progress(f"{len(device_ids)} devices record {plan.clips_each} clips each")
        every_s = max(SAMPLE_S, plan.seconds / MOST_SAMPLES)
        look = Look(switch, soak, spools, progress)
        soak.step = stack.enter_context(progress.bar("results", plan.clips))
        with Sampler(look, every_s) as sampler:
            cameras = []
            for device_id in device_ids:
                time.sleep(moments.uniform(0.0, 1 / plan.rate))
                camera = Player(
                    "device.camera",
                    *("--device", device_id, "--spool", str(spools / device_id)),
                    *("--source", str(film), "--loop", "--count", str(plan.clips_each)),
                    *("--speed", str(plan.rate / CLIPS_A_SECOND)),
                    on_event=soak.camera_of(device_id),
                )
                cameras.append(stack.enter_context(camera))
                soak.wait_until_started(device_id, PATIENCE_S)
            soak.wait_until_all_record(PATIENCE_S)
            # Whoever has seen enough gets the report of what there is.
            with suppress(KeyboardInterrupt):
                while_all_record(viewers, cameras)
                for camera in cameras:
                    camera.wait(plan.seconds + PATIENCE_S)
            recording = len(sampler.samples)
            with suppress(KeyboardInterrupt):
                soak.wait_until_answered()
    return Played(soak, sampler.samples, sampler.samples[:recording])


def soak(plan: SoakPlan, film: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Bring the lab up and let devices of this run play `film`; what came of it, which is written
    to `out`, with its page beside."""
    switch = read_switch()
    backend = bring_up(switch, progress)
    with added(switch, plan.devices, progress) as device_ids:
        played = play(switch, device_ids, plan, film, progress)
    steadiness = judge(played.steady, plan.rate * plan.devices)
    logs = list(played.soak.devices.values())
    facts = report(logs, plan, backend, played.samples, steadiness)
    write_json(out, facts)
    page = out.with_name("report.html")
    write_page(soak_report(logs, facts, read_film(film)), page)
    progress(f"wrote {out} and {page}")
    return facts
