"""What waits in this device's spool, and sending it by hand: `python -m device.spooled`.

`list` counts the clips; `retry` sends what waits, what S3 had refused included. While a
camera runs, it does so itself.
"""

from __future__ import annotations

import signal
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the imports run: end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import os
import time
from threading import Event

from cloud.switch import Switch, read_switch
from cloud.traces import traces_are_on
from contract.clips import SUFFIX, ContractError, check_device_id
from device.answered import FILE_NAME as ANSWERED
from device.answered import AnsweredReader
from device.clock import Clock
from device.console import Console, fail, warn
from device.crew import FAULT_STATUS
from device.errors import DeviceError
from device.outbox import KeepUntilAnswered, Outbox
from device.outbox_report import OutboxReport
from device.private_files import open_private
from device.settings import add_spool_option, at_least_one, program_parser, seconds
from device.spool import RETRY_NAME, Spool, SpoolBusy
from device.stopping import stop_on_signals
from device.uploader import S3Uploader

FOLDERS = {"waiting": "", "awaiting an answer": "sent", "refused": "refused", "damaged": "damaged"}
# Nothing is recorded here, so nothing is dropped for room.
NO_BUDGET = 2**62
POLL_S = 0.5


class SpoolMissing(DeviceError):
    """This device has no spool in that folder."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(options.json)
    try:
        switch = read_switch()
        device_id = check_device_id(options.device or switch.device_id)
        folder = options.spool / device_id
        if not folder.is_dir():
            raise SpoolMissing(f"{folder} is no device's spool", "name it with --spool, --device")
        if options.command == "list":
            return _list(folder, console)
        return _retry(options, console, switch, device_id)
    except (DeviceError, ContractError) as error:
        return fail(error)


def _list(folder: Path, console: Console) -> int:
    # A clip that was shown after its camera had ended lies there until the next one begins.
    answered = set(AnsweredReader(folder / ANSWERED).new_ids())
    for name, part in FOLDERS.items():
        clips = [one for one in (folder / part).glob("*" + SUFFIX) if one.stem not in answered]
        sizes = [clip.stat().st_size for clip in clips]
        console.say(f"{len(sizes):6d} clips, {sum(sizes) / 2**20:8.1f} MB  {name}")
        console.event("clips", state=name, clips=len(sizes), bytes=sum(sizes))
    return 0


def _retry(options: argparse.Namespace, console: Console, switch: Switch, device_id: str) -> int:
    report = OutboxReport(console)
    spool = Spool(options.spool, device_id, NO_BUDGET)
    uploader = S3Uploader(switch, Clock(), options.workers, is_traced=traces_are_on())
    faults: list[str] = []
    stop = stop_on_signals()

    def failed(thread: str, why: str) -> None:
        faults.append(why)
        warn(f"the {thread} thread failed: {why}")
        stop.set()

    # Kept like the camera keeps them: what waits for its result is not this command's to drop.
    keep = KeepUntilAnswered(AnsweredReader(spool.folder / ANSWERED))
    outbox = Outbox(spool, uploader, report, workers=options.workers, keep=keep, failed=failed)
    try:
        outbox.open()
    except SpoolBusy:
        os.close(open_private(spool.folder / RETRY_NAME, os.O_WRONLY | os.O_CREAT))
        console.say("The running camera tries the refused clips again; it says what becomes of it.")
        console.event("asked", device_id=device_id)
        return 0
    try:
        _wait(outbox, stop, options.timeout)
    finally:
        outbox.close()
    status = report.summary(outbox.counts(), options.spool)
    return FAULT_STATUS if faults else status


def _wait(outbox: Outbox, stop: Event, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not stop.is_set() and time.monotonic() < deadline:
        if outbox.wait_until_sent(POLL_S):
            return


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("spool", __name__, __doc__)
    parser.add_argument("command", choices=("list", "retry"), help="count what waits; send it now")
    parser.add_argument("--device", metavar="ID", help="default: FACELAB_DEVICE_ID, lab")
    add_spool_option(parser, "folder of the spools")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=600.0,
        metavar="S",
        help="retry: stop after S seconds; what is left waits (default: %(default)g)",
    )
    parser.add_argument("--workers", type=at_least_one, default=4, metavar="N", help="default: 4")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
