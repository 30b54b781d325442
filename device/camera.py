"""Record clips and bring them to the cloud: `python -m device.camera`.

Clips are uploaded in the background while the next one is recorded. What can't be uploaded
now waits in the spool, also over a restart.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":  # Ctrl-C while the imports run: end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import asdict

from cloud.switch import Switch, read_switch
from cloud.traces import traces_folder
from contract.clips import ContractError, check_device_id
from device.answered import FILE_NAME as ANSWERED
from device.answered import AnsweredReader
from device.clip_record import ClipRecord
from device.clock import Clock
from device.console import Console, fail, warn
from device.crew import FAULT_STATUS
from device.errors import DeviceError
from device.gate import GATES, Gate, look_of
from device.notify import notify
from device.outbox import KeepUntilAnswered, Outbox
from device.outbox_report import OutboxReport, outbox_metrics, progress, still_underway
from device.recorder import record
from device.settings import (
    add_metrics_option,
    add_source_options,
    add_spool_option,
    at_least_one,
    clip_seconds,
    program_parser,
    seconds,
    size,
    source_options,
)
from device.sources import Source, SourceError, open_source
from device.spans import SpanFile, span_file
from device.spool import Spool
from device.stopping import end_with, stop_on_signals
from device.uploader import S3Uploader

DRAIN_AFTER_SIGNAL_S = 5.0
PROGRESS_S = 5.0
LOOK_S = 1.0


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(options.json)
    try:
        switch = read_switch()
        device_id = check_device_id(options.device or switch.device_id)
        return end_with(_Camera(options, console, switch, device_id).run())
    except (DeviceError, ContractError) as error:
        return end_with(fail(error))


class _Camera:
    """The parts put together, and what is said while they work."""

    def __init__(
        self, options: argparse.Namespace, console: Console, switch: Switch, device_id: str
    ) -> None:
        self._options = options
        self._console = console
        self._device_id = device_id
        self._clock = Clock()
        traces = traces_folder(options.spool)
        self._uploader = S3Uploader(
            switch, self._clock, options.workers, is_traced=traces is not None
        )
        spool = Spool(options.spool, device_id, options.spool_budget)
        self._answered = AnsweredReader(spool.folder / ANSWERED)
        self._spans = SpanFile(traces and span_file(traces, device_id, "camera"), "camera")
        self._report = OutboxReport(console, self._spans)
        self._outbox = Outbox(
            spool,
            self._uploader,
            self._report,
            workers=options.workers,
            keep=KeepUntilAnswered(self._answered, patience_s=options.answer_timeout)
            if options.keep_until_answered
            else None,
            failed=self._fault,
        )
        self._look = look_of(options.gate) if options.gate else None
        self._stop = stop_on_signals()
        self._status = 0
        self._target = f"{switch.endpoint_url or 'AWS'} as device {device_id}"
        self._next_progress = time.monotonic() + PROGRESS_S

    def run(self) -> int:
        options = self._options
        settings = source_options(options, options.clip_seconds)
        try:
            with self._metrics(), open_source(options.source, settings) as source:
                self._outbox.open()
                try:
                    self._record(source)
                finally:
                    self._outbox.close()
                    self._spans.close()
        except SourceError:
            if self._outbox.counts().recorded:  # tell where the clips are before the error
                self._report.summary(self._outbox.counts(), options.spool)
            raise
        status = self._report.summary(self._outbox.counts(), options.spool)
        return self._status or status

    @contextmanager
    def _metrics(self) -> Iterator[None]:
        if self._options.metrics_port is None:
            yield
            return
        from device.metrics_server import MetricsServer  # who asks for none need not wait for it

        server = MetricsServer(
            self._options.metrics_port,
            lambda: outbox_metrics(self._outbox.counts(), self._device_id),
        )
        self._console.event("metrics", port=server.port)
        with closing(server):
            yield

    def _record(self, source: Source) -> None:
        # Before the first clip: importing boto3 takes longer than a clip on a Pi.
        self._uploader.prepare()
        self._console.say(f"Recording from {source}, sending to {self._target}.")
        self._console.event("start", device_id=self._device_id, source=str(source))
        notify("READY=1")
        with self._gate() as gate:
            record(
                source,
                gate.accept,
                self._device_id,
                self._stop,
                clock=self._clock,
                count=self._options.count,
                on_clip=self._on_clip,
            )
        notify("STOPPING=1")
        stopped = self._stop.is_set()
        self._drain(DRAIN_AFTER_SIGNAL_S if stopped else self._options.drain_timeout)

    def _gate(self) -> AbstractContextManager[Gate | Outbox]:
        if self._look is None:
            return nullcontext(self._outbox)
        return closing(Gate(self._look, self._outbox, self._report, self._fault))

    def _on_clip(self, clip: ClipRecord, frames: int) -> None:
        start_ms, end_ms = clip.metadata.capture_start_ms, clip.metadata.capture_end_ms
        self._spans.add(clip.clip_id, "record", start_ms, end_ms - start_ms)
        self._spans.add(clip.clip_id, "cut", end_ms, self._clock.now_ms() - end_ms)
        self._console.event(
            "clip",
            clip_id=clip.clip_id,
            key=str(clip.key),
            sequence=clip.metadata.sequence,
            capture_start_ms=clip.metadata.capture_start_ms,
            capture_end_ms=clip.metadata.capture_end_ms,
            frames=frames,
            bytes=clip.size_bytes,
        )
        notify("WATCHDOG=1")
        if time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + PROGRESS_S
            line = progress(self._outbox.counts())
            self._console.say(line)
            notify(f"STATUS={line}")

    def _drain(self, timeout_s: float) -> None:
        """Wait until all is sent; and answered, where a viewer is there to show it."""
        began = time.monotonic()
        deadline, tell_at = began + timeout_s, began
        while time.monotonic() < deadline:
            shown = self._answered.viewer_is_running()
            done = self._outbox.wait_until_empty if shown else self._outbox.wait_until_sent
            if done(min(LOOK_S, max(0.0, deadline - time.monotonic()))):
                return
            if time.monotonic() >= tell_at:
                tell_at = time.monotonic() + PROGRESS_S
                counts = self._outbox.counts()
                line = still_underway(counts, shown)
                self._console.say(f"Recording has ended; {line} (Ctrl-C leaves them in the spool).")
                self._console.event("draining", **asdict(counts))
                notify(f"STATUS={line}")

    def _fault(self, thread: str, why: str) -> None:
        """A thread ended by a fault of ours: say so, store what was recorded, and end."""
        self._status = FAULT_STATUS
        self._console.event("fault", thread=thread, message=why)
        warn(f"the {thread} thread failed: {why}")
        self._stop.set()


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("camera", __name__, __doc__)
    add_source_options(parser)
    parser.add_argument(
        "--device", metavar="ID", help="device id (default: FACELAB_DEVICE_ID, lab)"
    )
    parser.add_argument(
        "--clip-seconds",
        type=clip_seconds,
        default=0.5,
        metavar="S",
        help="length of a clip; cut at the first key frame from there (default: %(default)g)",
    )
    parser.add_argument("--count", type=at_least_one, metavar="N", help="stop after N clips")
    parser.add_argument(
        "--gate",
        choices=GATES,
        help="send only clips in which something has moved, or a face is seen (default: send all); "
        "`facelab bench-gate` measures what that misses",
    )
    add_metrics_option(parser)
    group = parser.add_argument_group("store and forward")
    add_spool_option(group, "folder for clips that wait")
    group.add_argument(
        "--spool-budget",
        type=size,
        default="2G",
        metavar="SIZE",
        help="most disk space to use; then the oldest clip is dropped (default: %(default)s)",
    )
    group.add_argument(
        "--workers", type=at_least_one, default=4, metavar="N", help="uploads at once (default: 4)"
    )
    group.add_argument(
        "--drain-timeout",
        type=seconds,
        default=60.0,
        metavar="S",
        help="how long to wait for uploads after recording has ended (default: %(default)g)",
    )
    group.add_argument(
        "--keep-until-answered",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep a clip until messages (with the same --spool) has shown its result, within "
        "the budget; send it again if none comes (default: yes)",
    )
    group.add_argument(
        "--answer-timeout",
        type=seconds,
        default=300.0,
        metavar="S",
        help="send a clip again that a running viewer got no result for in S seconds "
        "(default: %(default)g)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
