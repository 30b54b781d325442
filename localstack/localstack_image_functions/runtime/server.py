"""The HTTP side of the Runtime API. Standard library only.

Each environment's server answers its own sandbox alone: what else finds the port gets 403.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack_image_functions.runtime.api import (
    MAX_RESPONSE_BYTES,
    Answer,
    Invocation,
    Refusal,
    RuntimeApi,
    error_answer,
)

LOG = logging.getLogger(__name__)

VERSION = "/2018-06-01"
ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY_TRAILER = "Lambda-Runtime-Function-Error-Body"
_MAX_LINE_BYTES = 65_536


def _anyone(_host: str, _port: int) -> bool:
    return True


@dataclass(frozen=True)
class Guard:
    """Who may use a Runtime API.

    `admits` knows a peer by its address. `name`, where the sandbox can resolve one, is the
    host that requests must be for: nobody who merely scans ports can guess it.
    """

    admits: Callable[[str, int], bool] = _anyone
    name: str = ""


class RuntimeApiServer:
    """Serves one `RuntimeApi`; starts when made, on `listener` or a new socket of `host`."""

    def __init__(
        self,
        api: RuntimeApi,
        host: str = "127.0.0.1",
        guard: Guard | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self._api = api
        self._guard = guard or Guard()
        listener = listener or _listen(host)
        at, port = listener.getsockname()[:2]
        self.address = f"{self._guard.name or at}:{port}"
        """The value of AWS_LAMBDA_RUNTIME_API."""
        self._server = _Server(listener, api, self._guard)
        self._closed = threading.Event()
        threading.Thread(
            target=self._server.serve_forever, name=f"runtime-api-{self.address}", daemon=True
        ).start()

    def close(self) -> None:
        """Stop listening and hang up on a runtime that still waits. Does not block."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._api.runtime_gone()
        # shutdown() waits for the accept loop's next turn, up to half a second.
        threading.Thread(target=self._shut_down, daemon=True).start()

    def _shut_down(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _listen(host: str) -> socket.socket:
    listener = socket.socket()
    listener.bind((host, 0))
    listener.listen(_Server.request_queue_size)
    return listener


class _BrokenRequest(Exception):
    """The body ended early or is framed wrongly: hang up, there is nothing to answer."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, listener: socket.socket, api: RuntimeApi, guard: Guard) -> None:
        self.api = api
        self.guard = guard
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it

    def handle_error(self, request: object, client_address: object) -> None:
        """A runtime that dies in the middle of a request is the environment's concern."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered, so that head and body of an answer leave in one segment.
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._admitted = self.server.guard.admits(*self.client_address[:2])

    def log_message(self, *_: object) -> None:
        """Silence: a line for each request would drown the emulator's log."""

    def _let_in(self) -> bool:
        """Whether this is the sandbox that the server is for; the others hear no."""
        name = self.server.guard.name
        known = self.headers.get("Host", "").partition(":")[0]
        if self._admitted and (not name or secrets.compare_digest(known, name)):
            return True
        LOG.warning(
            "%s:%d asked for %s, in the Runtime API of another function: refused",
            *self.client_address[:2],
            self.path,
        )
        self.close_connection = True
        self._refuse(
            Refusal(HTTPStatus.FORBIDDEN, "Forbidden", "this is another function's Runtime API")
        )
        return False

    def do_GET(self) -> None:
        if not self._let_in():
            return
        api = self.server.api
        if self.path == f"{VERSION}/ping":
            self._send(HTTPStatus.OK, b"pong", {"Content-Type": "text/plain"})
        elif self.path == f"{VERSION}/runtime/invocation/next":
            event = api.next_invocation()
            if event is None:
                self.close_connection = True
            elif isinstance(event, Refusal):
                self._refuse(event)
            else:
                try:
                    self._send(HTTPStatus.OK, event.payload, _invocation_headers(event))
                except OSError:
                    api.not_delivered(event)
                    raise
        else:
            self._not_found()

    def do_POST(self) -> None:
        api = self.server.api
        try:
            body, trailers = self._read_body()
        except _BrokenRequest:
            self.close_connection = True
            return
        if not self._let_in():
            return
        take = self._route(api, body, trailers)
        if take is None:
            self._not_found()
            return
        refusal = take()
        if refusal is None:
            self._send(HTTPStatus.ACCEPTED, b'{"status":"OK"}\n')
        else:
            self._refuse(refusal)

    def _route(
        self, api: RuntimeApi, body: bytes, trailers: dict[str, str]
    ) -> Callable[[], Refusal | None] | None:
        error_type = self.headers.get(ERROR_TYPE_HEADER)
        match self.path.removeprefix(f"{VERSION}/runtime/").split("/"):
            case ["init", "error"]:
                return lambda: api.fail_init(Answer(body, True, error_type))
            case ["invocation", request_id, "error"]:
                return lambda: api.answer(request_id, Answer(body, True, error_type))
            case ["invocation", request_id, "response"]:
                answer = _streamed_error(trailers) or Answer(body, is_error=False)
                return lambda: api.answer(request_id, answer)
        return None

    def _read_body(self) -> tuple[bytes, dict[str, str]]:
        """The request's body and trailers. What is over the limit is read and dropped."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunked()
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            raise _BrokenRequest
        body = bytearray()
        self._read_exactly(int(length), body)
        return bytes(body), {}

    def _read_chunked(self) -> tuple[bytes, dict[str, str]]:
        body = bytearray()
        while True:
            size_text = self._read_line().partition(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError as error:
                raise _BrokenRequest from error
            if size <= 0:
                break
            self._read_exactly(size, body)
            self._read_line()
        trailers = {}
        while line := self._read_line().strip():
            name, _, value = line.decode("latin-1").partition(":")
            trailers[name.strip().lower()] = value.strip()
        return bytes(body), trailers

    def _read_line(self) -> bytes:
        line = self.rfile.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise _BrokenRequest
        return line

    def _read_exactly(self, size: int, into: bytearray) -> None:
        while size:
            piece = self.rfile.read(min(size, 1 << 20))
            if not piece:
                raise _BrokenRequest
            size -= len(piece)
            # One byte over the limit is enough to know.
            into += piece[: MAX_RESPONSE_BYTES + 1 - len(into)]

    def _not_found(self) -> None:
        self._refuse(Refusal(HTTPStatus.NOT_FOUND, "NotFound", f"no such path: {self.path}"))

    def _refuse(self, refusal: Refusal) -> None:
        body = {"errorMessage": refusal.message, "errorType": refusal.error_type}
        self._send(refusal.status, json.dumps(body).encode())

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _invocation_headers(invocation: Invocation) -> dict[str, str]:
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
        "Lambda-Runtime-Trace-Id": invocation.trace_id,
        "Lambda-Runtime-Client-Context": invocation.client_context,
        "Lambda-Runtime-Cognito-Identity": invocation.cognito_identity,
    }
    return {name: value for name, value in headers.items() if value is not None}


def _streamed_error(trailers: dict[str, str]) -> Answer | None:
    """A streaming runtime can fail after it began to answer: it says so in the trailers."""
    error_type = trailers.get(ERROR_TYPE_HEADER.lower())
    if error_type is None:
        return None
    try:
        body = base64.b64decode(trailers.get(ERROR_BODY_TRAILER.lower(), ""), validate=True)
    except binascii.Error:
        body = b""
    if not body:
        return error_answer(error_type, "The runtime failed while it streamed its response")
    return Answer(body, is_error=True, error_type=error_type)
