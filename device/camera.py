"""Record clips and bring them to the cloud: `python -m device.camera`.

Clips are uploaded in the background while the next one is recorded. What can't be uploaded
now waits in the spool, also over a restart.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the imports run: end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if __package__ in (None, ""):  # run as `python device/camera.py`
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import time
from dataclasses import asdict

from cloud.switch import Switch, read_switch
from contract.clips import ContractError, check_device_id
from device.answered import FILE_NAME as ANSWERED
from device.answered import AnsweredReader
from device.clock import Clock
from device.console import Console, fail
from device.errors import DeviceError
from device.outbox import Counts, KeepUntilAnswered, Outbox
from device.recorder import record
from device.settings import (
    add_source_options,
    at_least_one,
    clip_seconds,
    seconds,
    size,
    source_options,
    spool_folder,
)
from device.sources import open_source
from device.spool import ClipRecord, Spool
from device.stopping import stop_on_signals
from device.systemd import notify
from device.uploader import S3Uploader

DRAIN_AFTER_SIGNAL_S = 5.0
PROGRESS_S = 5.0


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(options.json)
    try:
        switch = read_switch()
        device_id = check_device_id(options.device or switch.device_id)
        return _Camera(options, console, switch, device_id).run()
    except (DeviceError, ContractError) as error:
        return fail(error)


class _Camera:
    """The parts put together, and what is said while they work."""

    def __init__(
        self, options: argparse.Namespace, console: Console, switch: Switch, device_id: str
    ) -> None:
        self._options = options
        self._console = console
        self._device_id = device_id
        self._clock = Clock()
        self._uploader = S3Uploader(switch, self._clock, options.workers)
        spool = Spool(options.spool, device_id, options.spool_budget)
        keep = None
        if options.keep_until_answered:
            answered = AnsweredReader(spool.folder / ANSWERED)
            keep = KeepUntilAnswered(answered, patience_s=options.answer_timeout)
        self._outbox = Outbox(
            spool, self._uploader, self._report, workers=options.workers, keep=keep
        )
        self._target = f"{switch.endpoint_url or 'AWS'} as device {device_id}"
        self._next_progress = time.monotonic() + PROGRESS_S

    def run(self) -> int:
        options = self._options
        settings = source_options(options, options.clip_seconds)
        stop = stop_on_signals()
        with open_source(options.source, settings) as source:
            self._outbox.open()
            try:
                # Before the first clip: importing boto3 takes longer than a clip on a Pi.
                self._uploader.prepare()
                self._console.say(f"Recording from {source}, sending to {self._target}.")
                self._console.event("start", device_id=self._device_id, source=str(source))
                notify("READY=1")
                record(
                    source,
                    self._outbox.accept,
                    self._device_id,
                    stop,
                    clock=self._clock,
                    count=options.count,
                    on_clip=self._on_clip,
                )
                notify("STOPPING=1")
                self._drain(DRAIN_AFTER_SIGNAL_S if stop.is_set() else options.drain_timeout)
            finally:
                self._outbox.close()
        counts = self._outbox.counts()
        self._console.say(*_summary(counts, options.spool))
        self._console.event("summary", **asdict(counts))
        return 0 if counts.dropped + counts.refused + counts.waiting == 0 else 1

    def _on_clip(self, clip: ClipRecord, frames: int) -> None:
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
            line = _progress(self._outbox.counts())
            self._console.say(line)
            notify(f"STATUS={line}")

    def _drain(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        told = False
        while not self._outbox.wait_until_empty(min(1.0, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return
            counts = self._outbox.counts()
            open_clips = counts.waiting + counts.awaiting_answer
            if not told or self._console.interactive:
                self._console.say(
                    f"Recording has ended; {open_clips} clips are still on their way "
                    "(Ctrl-C leaves them in the spool)."
                )
                told = True

    def _report(self, event: str, fields: dict) -> None:
        self._console.event(event, **fields)
        if event == "link":
            if fields["state"] == "open":
                self._console.say("The cloud answers again; sending what waits.")
            else:
                self._console.say(f"Not sending: {fields['message']}. Clips wait in the spool.")
        elif event == "recovered":
            self._console.say(f"{fields['clips']} clips of an earlier run wait in the spool.")
        elif event == "spool":
            problem = fields["problem"]
            self._console.say(f"Spool: {problem}." if problem else "Spool: writing again.")
        elif event == "dropped":
            self._console.say(f"Dropped clip {fields['clip_id']}: {fields['reason']}.")
        elif event == "refused":
            self._console.say(f"Set aside clip {fields['clip_id']}: {fields['reason']}.")
        elif event == "resent":
            self._console.say(f"No result for clip {fields['clip_id']} yet; sending it again.")


def _progress(counts: Counts) -> str:
    line = f"{counts.recorded} recorded, {counts.uploaded} uploaded, {counts.waiting} waiting"
    if counts.dropped:
        line += f", {counts.dropped} dropped"
    return line


def _summary(counts: Counts, spool: Path) -> list[str]:
    lines = [
        f"Recorded {counts.recorded} clips"
        + (f" (and took over {counts.recovered})" if counts.recovered else "")
        + f", uploaded {counts.uploaded}, waiting {counts.waiting}, dropped {counts.dropped}."
    ]
    if counts.waiting:
        lines.append(f"What waits lies in {spool} and goes out at the next start.")
    if counts.awaiting_answer:
        lines.append(f"{counts.awaiting_answer} uploaded clips have no result yet.")
    if counts.refused:
        lines.append(f"{counts.refused} clips could not be sent; they lie in refused/ there.")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="camera", description=__doc__)
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
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    group = parser.add_argument_group("store and forward")
    group.add_argument(
        "--spool",
        type=Path,
        default=spool_folder(),
        metavar="DIR",
        help="folder for clips that wait (default: FACELAB_SPOOL, out/spool)",
    )
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
        action="store_true",
        help="keep a clip until messages has shown its result; send it again if none comes",
    )
    group.add_argument(
        "--answer-timeout",
        type=seconds,
        default=300.0,
        metavar="S",
        help="with --keep-until-answered: send again after S seconds (default: %(default)g)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
