"""Metrics on a port of this machine: imported by the program that is asked for them only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from device.errors import DeviceError
from device.metrics import Histogram, Metric, exposition

LOOPBACK = "127.0.0.1"
PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPortTaken(DeviceError):
    """Somebody else listens on the port."""


class MetricsServer:
    """Serves what `metrics` gives whenever it is asked. For programs of this machine alone.

    Raises
    ------
    MetricsPortTaken
        When the port can't be listened on.
    """

    def __init__(self, port: int, metrics: Callable[[], Iterable[Metric | Histogram]]) -> None:
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(metrics))
        except OSError as error:
            raise MetricsPortTaken(
                f"can't serve metrics on port {port}: {error.strerror}", "choose another port"
            ) from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics"
        )
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(metrics: Callable[[], Iterable[Metric | Histogram]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            # typeshed allows a Unix socket's path, too.
            port = self.server.server_address[1]  # type: ignore[index]
            # A name that somebody points at this machine is nobody who may read it.
            if self.headers.get("Host") not in (f"{LOOPBACK}:{port}", f"localhost:{port}"):
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            if self.path.partition("?")[0] != PATH:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = exposition(metrics()).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """A scrape every few seconds is nothing to tell."""

    return Handler
