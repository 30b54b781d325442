"""The dashboard's server: on loopback, and nothing of it anywhere else."""

from __future__ import annotations

import ctypes
import json
import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn

from cloud.switch import Switch
from cloud.traces import traces_folder
from device.settings import spool_folder
from scripts.dashboard.app import Dashboard, make_app
from scripts.dashboard.clients import SharedClients
from scripts.dashboard.door import Door
from scripts.dashboard.feed import Feed
from scripts.dashboard.frames import Frames
from scripts.dashboard.nearest import NearestPeople
from scripts.dashboard.people import ask_recognizer
from scripts.dashboard.worker import Worker
from scripts.errors import LabError
from scripts.traces.device_spans import DeviceSpans

HOST = "127.0.0.1"
PORT = 8646
_M_ARENA_MAX = -8  # malloc.h
# Who reads a day's clips lets a page's thread in so often, and not only each 5 ms: an answer is
# many short turns.
TURN_S = 0.0005


class DashboardPortTaken(LabError):
    """The port that was asked for is somebody else's."""


def listen(port: int | None) -> socket.socket:
    """A socket on loopback: at `port`, or at 8646, or at a free one where that is taken.

    Raises
    ------
    DashboardPortTaken
        When a port was asked for and is taken.
    """
    for candidate in (PORT, 0) if port is None else (port,):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, candidate))
        except OSError as error:
            one.close()
            if port is not None:
                raise DashboardPortTaken(
                    f"port {port}: {error.strerror}", "take another --port"
                ) from error
            continue
        one.listen(128)  # who connects before the first answer waits for it
        return one
    raise DashboardPortTaken("no free port on loopback", "close something that listens")


def _keep_small() -> None:
    """Threads share few heaps: each of its own would keep what one large page once needed."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def serve(switch: Switch, one: socket.socket) -> None:
    """Serve until the process is told to end."""
    _keep_small()
    sys.setswitchinterval(TURN_S)
    clients = SharedClients.of(switch)
    decoder, asker = (
        Worker(f"scripts.dashboard.{name}") for name in ("frame_worker", "cloud_worker")
    )
    frames = Frames(clients, decoder.ask)
    spans = DeviceSpans(traces_folder(spool_folder()))

    def inventory(what: str) -> Any:
        return json.loads(asker.ask(what.encode()))

    def people_changed() -> None:
        frames.forget()  # whoever was forgotten is in no picture that we keep
        nearest.expire()
        nearest.ask_soon()

    feed = Feed(clients, spans, people_changed=people_changed, refused=clients.let_go)
    nearest = NearestPeople(
        lambda: str(inventory("gallery")), lambda: ask_recognizer({"do": "facts"}), feed.changed
    )
    door = Door(one.getsockname()[1])
    app = make_app(Dashboard(clients, feed, frames, door, inventory, nearest))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    feed.start()
    try:
        uvicorn.Server(config).run(sockets=[one])
    finally:
        feed.stop()
        decoder.close()
        asker.close()
