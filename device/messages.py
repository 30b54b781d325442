"""Show what the cloud found in this device's clips: `python -m device.messages`.

Long-polls the device's result queue. A result is shown once, however often it comes, and
deleted from the queue only after it was shown.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the imports run: end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if __package__ in (None, ""):  # run as `python device/messages.py`
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import json
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from threading import Event, Lock, Thread
from typing import TextIO

from cloud.switch import read_switch
from contract.clips import ContractError, check_device_id
from contract.results import InvalidResult, Result
from device.answered import Answered
from device.clock import Clock
from device.console import Console, fail
from device.errors import DeviceError
from device.inbox import WAIT_S, Message, Poller, SqsQueue
from device.latency import Latencies, Latency, Percentiles
from device.problems import Problem
from device.report import wording
from device.settings import at_least_one, seconds, spool_folder
from device.stopping import stop_on_signals
from device.systemd import notify

RUNNING_EVERY = 20
REJECTED_NAME = "rejected-messages.jsonl"


class LogUnusable(DeviceError):
    """The log file can't be written."""


class Viewer:
    """Shows each result of some devices once, and counts. Called from several threads."""

    def __init__(
        self, console: Console, clock: Clock, stop: Event, count: int | None, name_devices: bool
    ) -> None:
        self._console = console
        self._clock = clock
        self._stop = stop
        self._count = count
        self._name_devices = name_devices
        self._lock = Lock()
        self._idle_devices: set[str] = set()
        self._latencies = Latencies()
        self._shown = 0
        self._duplicates = 0
        self._malformed = 0
        self.last_shown = time.monotonic()

    def handle(self, message: Message, answered: Answered, rejects: Rejects) -> bool:
        """Show a message's result; True when the message may be deleted."""
        with self._lock:
            if self._stop.is_set():
                return False
            try:
                result = Result.from_json(message.body)
                latency = Latency.of(result, self._clock.now_ms())
                lines = wording(self._shown + 1, result, latency)
                duplicate = result.identity in answered
            except (InvalidResult, TypeError, ValueError, AttributeError, RecursionError) as error:
                # Fields of the right names may still hold anything: a queue is an open door.
                return self._reject(message, error, rejects)
            if duplicate:
                self._duplicates += 1
                self._console.event("duplicate", clip_id=result.clip_id, device_id=result.device_id)
                return True
            self._show(result, latency, lines)
            answered.add(result.clip_id, result.identity)
            if self._count is not None and self._shown >= self._count:
                self._stop.set()
            return True

    def idle(self, device_id: str) -> None:
        """A long poll brought nothing: say so, once until the next result."""
        with self._lock:
            if device_id not in self._idle_devices and not self._stop.is_set():
                self._idle_devices.add(device_id)
                self._console.say(self._of("Empty Queue...", device_id))
                self._console.event("idle", device_id=device_id)

    def trouble(self, device_id: str, problem: Problem | None) -> None:
        with self._lock:
            if problem is None:
                self._console.say(self._of("Receiving again.", device_id))
                self._console.event("link", device_id=device_id, state="open")
                return
            self._console.say(self._of(f"Not receiving: {problem}.", device_id))
            self._console.event(
                "link",
                device_id=device_id,
                state="closed",
                problem=problem.kind.value,
                message=str(problem),
            )

    def summary(self) -> None:
        with self._lock:
            end, start = self._latencies.clip_end(), self._latencies.capture_start()
            self._console.say(
                f"{self._shown} results, {self._duplicates} duplicates dropped"
                + (f", {self._malformed} messages not understood" if self._malformed else "")
                + ".",
                *self._percentile_lines(),
            )
            self._console.event(
                "summary",
                count=self._shown,
                duplicates=self._duplicates,
                malformed=self._malformed,
                latency_ms={
                    "clip_end": asdict(end) if end else None,
                    "capture_start": asdict(start) if start else None,
                },
            )

    def _percentile_lines(self) -> list[str]:
        both = {
            "clip end": self._latencies.clip_end(),
            "capture start": self._latencies.capture_start(),
        }
        return [_percentiles(name, values) for name, values in both.items() if values is not None]

    def _show(self, result: Result, latency: Latency | None, lines: list[str]) -> None:
        self._shown += 1
        self._idle_devices.discard(result.device_id)
        self.last_shown = time.monotonic()
        if self._name_devices:
            lines.insert(1, f"Device {result.device_id}")
        self._console.say(*lines)
        self._console.event(
            "result",
            number=self._shown,
            **asdict(result),
            latency_ms=asdict(latency) if latency else None,
        )
        if latency is not None:
            self._latencies.add(latency)
        if self._shown % RUNNING_EVERY == 0:
            self._console.say(*self._percentile_lines())

    def _reject(self, message: Message, error: Exception, rejects: Rejects) -> bool:
        if not rejects.keep(message, str(error)):
            return False
        self._malformed += 1
        self._console.say(
            f"A message that is no result ({error}) was moved from the queue to {rejects.path}."
        )
        self._console.event("malformed", message_id=message.message_id, reason=str(error))
        return True

    def _of(self, text: str, device_id: str) -> str:
        return f"{device_id}: {text}" if self._name_devices else text


class Rejects:
    """Messages that are no results, one JSON object a line, for a person to look at."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, message: Message, reason: str) -> bool:
        """Write it down; False when that was not possible (then it must not be deleted)."""
        line = {"message_id": message.message_id, "reason": reason, "body": message.body}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError:
            return False
        return True


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with ExitStack() as stack:
            log = stack.enter_context(_open_log(options.log)) if options.log else None
            return _run(options, Console(options.json, log=log))
    except (DeviceError, ContractError) as error:
        return fail(error)


def _run(options: argparse.Namespace, console: Console) -> int:
    switch = read_switch()
    devices = [check_device_id(d) for d in options.device or [switch.device_id]]
    stop = stop_on_signals()
    viewer = Viewer(console, Clock(), stop, options.count, name_devices=len(devices) > 1)
    wait_s = (
        WAIT_S if options.idle_timeout is None else max(1, min(WAIT_S, int(options.idle_timeout)))
    )
    pollers = []
    with ExitStack() as stack:
        for device_id in dict.fromkeys(devices):
            answered = Answered(options.spool, device_id)
            answered.open()
            stack.callback(answered.close)
            rejects = Rejects(options.spool / device_id / REJECTED_NAME)
            queue = SqsQueue(switch, device_id)
            # Before the first poll: importing boto3 would count as an idle time.
            with suppress(Problem):  # told, and tried again, by the poller
                queue.prepare()
            poller = Poller(
                queue,
                handle=lambda m, a=answered, r=rejects: viewer.handle(m, a, r),
                idle=lambda d=device_id: viewer.idle(d),
                trouble=lambda problem, d=device_id: viewer.trouble(d, problem),
                alive=lambda: notify("WATCHDOG=1"),
            )
            pollers.append(poller)
        viewer.last_shown = time.monotonic()
        console.say("Receiving SQS messages...")
        console.event("start", devices=devices)
        notify("READY=1")
        for poller in pollers:
            # Daemons: a long poll must not hold up the end. What it may still receive is not
            # deleted and comes again.
            Thread(target=poller.run, args=(stop, wait_s), daemon=True).start()
        _wait(stop, viewer, options.idle_timeout)
        stop.set()
        notify("STOPPING=1")
        for poller in pollers:
            poller.finish()
        viewer.summary()
    return 0


def _wait(stop: Event, viewer: Viewer, idle_timeout_s: float | None) -> None:
    """Until `stop` is set, or nothing was shown for `idle_timeout_s`."""
    if idle_timeout_s is None:
        stop.wait()
        return
    while not stop.is_set():
        left = viewer.last_shown + idle_timeout_s - time.monotonic()
        if left <= 0:
            return
        stop.wait(left)


def _open_log(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise LogUnusable(f"can't write the log {path}: {error.strerror}") from error


def _percentiles(name: str, values: Percentiles) -> str:
    p50, p95, most = (value / 1000 for value in (values.p50, values.p95, values.max))
    return f"Latency from {name}: p50 {p50:.2f} s, p95 {p95:.2f} s, max {most:.2f} s."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="messages", description=__doc__)
    parser.add_argument(
        "--device",
        action="append",
        metavar="ID",
        help="device id; may be repeated (default: FACELAB_DEVICE_ID, lab)",
    )
    parser.add_argument("--count", type=at_least_one, metavar="N", help="stop after N results")
    parser.add_argument(
        "--idle-timeout", type=seconds, metavar="S", help="stop when nothing came for S seconds"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--log", type=Path, metavar="FILE", help="also append the output to FILE")
    parser.add_argument(
        "--spool",
        type=Path,
        default=spool_folder(),
        metavar="DIR",
        help="folder that remembers what was shown (default: FACELAB_SPOOL, out/spool)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
