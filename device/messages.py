"""Show what the cloud found in this device's clips: `python -m device.messages`.

Long-polls the device's result queue. A result is shown once, however often it comes, and
deleted from the queue only after it was shown.
"""

from __future__ import annotations

import signal
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the imports run: end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import time
from contextlib import ExitStack, closing, suppress
from threading import Event
from typing import TextIO

from cloud.switch import Switch, read_switch
from cloud.traces import traces_folder
from contract.clips import ContractError, check_device_id
from device.answered import Answered
from device.clock import Clock
from device.console import Console, fail, warn
from device.crew import FAULT_STATUS
from device.errors import DeviceError
from device.inbox import WAIT_S, Poller, SqsQueue
from device.notify import notify
from device.private_files import private_opener
from device.problems import Problem
from device.rejects import FILE_NAME as REJECTS
from device.rejects import Rejects
from device.settings import (
    add_metrics_option,
    add_spool_option,
    at_least_one,
    program_parser,
    seconds,
)
from device.spans import SpanFile, span_file
from device.stopping import stop_on_signals
from device.viewer import Shelf, Viewer


class LogUnusable(DeviceError):
    """The log file can't be written."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with ExitStack() as stack:
            console = Console(options.json, log=_open_log(options.log) if options.log else None)
            stack.callback(console.close)
            return _Messages(options, console, read_switch()).run()
    except (DeviceError, ContractError) as error:
        return fail(error)


class _Messages:
    """The parts put together: a poller for each device, one viewer for all."""

    def __init__(self, options: argparse.Namespace, console: Console, switch: Switch) -> None:
        self._options = options
        self._console = console
        self._switch = switch
        devices = [check_device_id(d) for d in options.device or [switch.device_id]]
        self._devices = list(dict.fromkeys(devices))
        self._stop = stop_on_signals()
        traces = traces_folder(options.spool)
        self._spans = {
            one: SpanFile(traces and span_file(traces, one, "messages"), "messages")
            for one in self._devices
        }
        self._viewer = Viewer(
            console,
            Clock(),
            self._stop,
            options.count,
            name_devices=len(self._devices) > 1,
            spans=self._spans.__getitem__,
        )
        self._status = 0

    def run(self) -> int:
        idle_timeout = self._options.idle_timeout
        wait_s = WAIT_S if idle_timeout is None else max(1, min(WAIT_S, int(idle_timeout)))
        with ExitStack() as stack:
            if (port := self._options.metrics_port) is not None:
                from device.metrics_server import MetricsServer  # who asks for none need not wait

                server = stack.enter_context(closing(MetricsServer(port, self._viewer.metrics)))
                self._console.event("metrics", port=server.port)
            pollers = [self._poller(stack, device_id) for device_id in self._devices]
            self._viewer.last_shown = time.monotonic()
            self._console.say("Receiving SQS messages...")
            self._console.event("start", devices=self._devices)
            notify("READY=1")
            for poller in pollers:
                poller.start(self._stop, wait_s)
            _wait(self._stop, self._viewer, idle_timeout)
            self._stop.set()
            notify("STOPPING=1")
            for poller in pollers:
                poller.finish()
            for spans in self._spans.values():
                spans.close()
            self._viewer.summary()
        return self._status

    def _poller(self, stack: ExitStack, device_id: str) -> Poller:
        answered = Answered(self._options.spool, device_id)
        answered.open()
        stack.callback(answered.close)
        shelf = Shelf(device_id, answered, Rejects(answered.path.with_name(REJECTS)))
        queue = SqsQueue(self._switch, device_id)
        # Before the first poll: importing boto3 would count as an idle time.
        with suppress(Problem):  # told, and tried again, by the poller
            queue.prepare()

        def alive() -> None:
            notify("WATCHDOG=1")
            self._viewer.save(shelf)

        return Poller(
            queue,
            handle=lambda message: self._viewer.handle(message, shelf),
            idle=lambda: self._viewer.idle(shelf),
            trouble=lambda problem: self._viewer.trouble(device_id, problem),
            alive=alive,
            failed=self._fault,
        )

    def _fault(self, thread: str, why: str) -> None:
        """A thread ended by a fault of ours: the program says so and ends."""
        self._status = FAULT_STATUS
        self._console.event("fault", thread=thread, message=why)
        warn(f"the {thread} thread failed: {why}")
        self._stop.set()


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
        return open(path, "a", encoding="utf-8", opener=private_opener)
    except OSError as error:
        raise LogUnusable(f"can't write the log {path}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("messages", __name__, __doc__)
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
    add_metrics_option(parser)
    parser.add_argument("--log", type=Path, metavar="FILE", help="also append the output to FILE")
    add_spool_option(parser, "folder that remembers what was shown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
