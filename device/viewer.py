"""Shows each result once: what stands between the queue and the screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock

from contract.results import InvalidResult, Result
from device.answered import Answered, AnsweredUnusable
from device.clock import Clock
from device.console import Console
from device.crew import describe
from device.inbox import Message
from device.latency import Latencies, Latency, Percentiles
from device.metrics import Histogram, Metric
from device.problems import Problem
from device.rejects import Rejects
from device.report import wording
from device.spans import NO_SPANS, SpanFile

RUNNING_EVERY = 20


@dataclass(frozen=True)
class Shelf:
    """What is remembered of one device's results: those shown, and those not understood."""

    device_id: str
    answered: Answered
    rejects: Rejects


class Viewer:
    """Shows each result of some devices once, and counts. Called from several threads.

    `stop` is set when `count` results were shown.
    """

    def __init__(
        self,
        console: Console,
        clock: Clock,
        stop: Event,
        count: int | None,
        name_devices: bool,
        monotonic: Callable[[], float] = time.monotonic,
        spans: Callable[[str], SpanFile] = lambda device_id: NO_SPANS,
    ) -> None:
        self._spans = spans
        self._console = console
        self._clock = clock
        self._stop = stop
        self._count = count
        self._name_devices = name_devices
        self._monotonic = monotonic
        self._lock = Lock()
        self._idle_devices: set[str] = set()
        self._disk_trouble: dict[Path, str] = {}
        self._latencies = Latencies()
        self._histogram = Histogram(
            "facelab_result_latency_seconds", "From a clip's end to its printed result."
        )
        self._shown = 0
        self._duplicates = 0
        self._malformed = 0
        self.last_shown = monotonic()

    def handle(self, message: Message, shelf: Shelf) -> bool:
        """Show a message's result; True when the message may be deleted.

        What can't be understood, whatever the reason, is set aside: a message that stays in
        the queue would come again for days.
        """
        with self._lock:
            if self._stop.is_set():
                return False
            received_ms = self._clock.wall_ns() / 1e6
            try:
                result = Result.from_json(message.body)
                if result.device_id != shelf.device_id:
                    raise InvalidResult(
                        f"a result of {result.device_id} in the queue of {shelf.device_id}"
                    )
                latency = Latency.of(result, self._clock.now_ms())
                lines = wording(self._shown + 1, result, latency)
            except InvalidResult as error:
                return self._reject(message, str(error), shelf)
            except Exception as error:  # a fault of ours must not stop the messages behind it
                return self._reject(message, describe(error), shelf)
            if result.answer_id in shelf.answered:
                self._duplicates += 1
                self._console.event("duplicate", clip_id=result.clip_id, device_id=result.device_id)
                return True
            read_ms = self._clock.wall_ns() / 1e6
            self._show(result, latency, lines)
            spans = self._spans(shelf.device_id)
            spans.add(result.clip_id, "receive", received_ms, read_ms - received_ms)
            spans.add(result.clip_id, "print", read_ms, self._clock.wall_ns() / 1e6 - read_ms)
            self._on_disk(shelf, lambda: shelf.answered.add(result.clip_id, result.answer_id))
            if self._count is not None and self._shown >= self._count:
                self._stop.set()
            return True

    def idle(self, shelf: Shelf) -> None:
        """A long poll brought nothing: say so, once until the next result."""
        device_id = shelf.device_id
        with self._lock:
            if device_id not in self._idle_devices and not self._stop.is_set():
                self._idle_devices.add(device_id)
                self._console.say(self._of("Empty Queue...", device_id))
                self._console.event("idle", device_id=device_id)

    def save(self, shelf: Shelf) -> None:
        """Write what a full disk did not take before. Called in each round of polling."""
        with self._lock:
            if shelf.answered.path in self._disk_trouble:
                self._on_disk(shelf, shelf.answered.save)

    def trouble(self, device_id: str, problem: Problem | None) -> None:
        """Receiving fails in a new way, or (None) works again."""
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

    def metrics(self) -> list[Metric | Histogram]:
        """This run's counts as Prometheus takes them. Called from any thread."""
        told = (
            ("results_shown", "Results shown.", self._shown),
            ("results_duplicate", "Results that came again, and were not shown.", self._duplicates),
            ("messages_malformed", "Messages that are no results.", self._malformed),
        )
        counters = [
            Metric(f"facelab_{name}_total", "counter", text, count) for name, text, count in told
        ]
        return [*counters, self._histogram]

    def _percentile_lines(self) -> list[str]:
        both = {
            "clip end": self._latencies.clip_end(),
            "capture start": self._latencies.capture_start(),
        }
        return [_percentiles(name, values) for name, values in both.items() if values is not None]

    def _show(self, result: Result, latency: Latency | None, lines: list[str]) -> None:
        self._shown += 1
        self._idle_devices.discard(result.device_id)
        self.last_shown = self._monotonic()
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
            self._histogram.add(latency.clip_end / 1000)
        if self._shown % RUNNING_EVERY == 0:
            self._console.say(*self._percentile_lines())

    def _reject(self, message: Message, reason: str, shelf: Shelf) -> bool:
        try:
            is_new = shelf.rejects.keep(message, reason)
        except OSError as error:
            path = shelf.rejects.path
            self._tell_disk(shelf, path, f"can't write {path}: {error.strerror} (make room)")
            return False
        self._tell_disk(shelf, shelf.rejects.path, "")
        if is_new:
            self._malformed += 1
            self._console.say(
                f"A message that is no result ({reason}) was moved from the queue "
                f"to {shelf.rejects.path}."
            )
            self._console.event("malformed", message_id=message.message_id, reason=reason)
        return True

    def _on_disk(self, shelf: Shelf, step: Callable[[], None]) -> None:
        try:
            step()
        except AnsweredUnusable as error:
            self._tell_disk(shelf, shelf.answered.path, f"shown, but not remembered: {error}")
        else:
            self._tell_disk(shelf, shelf.answered.path, "")

    def _tell_disk(self, shelf: Shelf, path: Path, problem: str) -> None:
        """Say once that the disk takes nothing, and once that it does again."""
        if problem == self._disk_trouble.get(path, ""):
            return
        if problem:
            self._disk_trouble[path] = problem
            self._console.say(self._of(f"Disk: {problem}.", shelf.device_id))
        else:
            del self._disk_trouble[path]
            self._console.say(self._of(f"Disk: writing {path} again.", shelf.device_id))
        self._console.event(
            "disk", device_id=shelf.device_id, path=str(path), problem=problem or None
        )

    def _of(self, text: str, device_id: str) -> str:
        return f"{device_id}: {text}" if self._name_devices else text


def _percentiles(name: str, values: Percentiles) -> str:
    p50, p95, most = (value / 1000 for value in (values.p50, values.p95, values.max))
    return f"Latency from {name}: p50 {p50:.2f} s, p95 {p95:.2f} s, max {most:.2f} s."
