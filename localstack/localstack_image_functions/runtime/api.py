"""The Lambda Runtime API (2018-06-01) for one execution environment.

Standard library only, so that an image can carry this file and serve itself.

A runtime inside the environment asks `GET …/invocation/next`, which blocks until there is
an event, and posts the answer to `…/invocation/<id>/response` or `…/error`. Whoever owns the
environment calls `send` and `wait_for_answer`. One invocation at a time, as on AWS.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "/2018-06-01"
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY_TRAILER = "Lambda-Runtime-Function-Error-Body"
_MAX_LINE_BYTES = 65_536


class RuntimeState(Enum):
    """Where the runtime is in its life, seen from its requests."""

    INITIALIZING = auto()
    INIT_FAILED = auto()
    READY = auto()
    """It waits in `/invocation/next`: everything it did before is done."""
    RUNNING = auto()
    ANSWERED = auto()
    """It answered, and has not asked for the next event yet."""
    GONE = auto()


@dataclass(frozen=True)
class Invocation:
    """An event on its way to the runtime. `deadline_ms` is Unix time in milliseconds."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str | None = None
    client_context: str | None = None
    cognito_identity: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the runtime posted, or was made to have posted; `payload` is JSON by custom."""

    payload: bytes
    is_error: bool
    error_type: str | None = None


def error_answer(error_type: str, message: str) -> Answer:
    """An answer in the shape that Lambda gives its own errors."""
    payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return Answer(payload, is_error=True, error_type=error_type)


class RuntimeApi:
    """The server. Starts listening when made; `address` is the value of AWS_LAMBDA_RUNTIME_API."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._changed = threading.Condition()
        self._state = RuntimeState.INITIALIZING
        self._init_error: Answer | None = None
        self._pending: Invocation | None = None
        self._current: Invocation | None = None
        self._answer: Answer | None = None
        self._closed = False
        self._newest_poll = 0
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name=f"runtime-api-{self.address}", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host}:{port}"

    @property
    def state(self) -> RuntimeState:
        with self._changed:
            return self._state

    @property
    def init_error(self) -> Answer | None:
        """What the runtime posted to `/init/error`."""
        with self._changed:
            return self._init_error

    def wait_for(self, states: Iterable[RuntimeState], timeout_s: float) -> RuntimeState | None:
        """Block until the runtime is in one of `states`; None when the time ran out."""
        wanted = frozenset(states)
        with self._changed:
            if self._changed.wait_for(lambda: self._state in wanted, timeout_s):
                return self._state
            return None

    def send(self, invocation: Invocation) -> None:
        """Hand over an event. The runtime gets it with its waiting or its next `/next`."""
        with self._changed:
            self._pending = invocation
            self._answer = None
            self._changed.notify_all()

    def wait_for_answer(self, timeout_s: float) -> Answer | None:
        """The answer to what was sent; None when the time ran out or the runtime is gone."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._answer is not None or self._state is RuntimeState.GONE, timeout_s
            )
            return self._answer

    def abandon(self) -> None:
        """Give up the running invocation: a late answer is refused."""
        with self._changed:
            self._pending = None
            self._current = None

    def runtime_gone(self) -> None:
        """Tell the server that its runtime exited: nobody will answer any more."""
        with self._changed:
            self._state = RuntimeState.GONE
            self._changed.notify_all()

    def close(self) -> None:
        """Stop listening and hang up on a runtime that still waits. Does not block."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._state = RuntimeState.GONE
            self._changed.notify_all()
        # shutdown() waits for the accept loop's next turn, up to half a second.
        threading.Thread(target=self._shut_down, daemon=True).start()

    def _shut_down(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # What the handler threads call.

    def next_invocation(self) -> Invocation | _Refusal | None:
        """Block until there is an event; None to hang up.

        A newer poll supersedes an older one, whose connection is probably dead: an event
        handed to it would be lost.
        """
        with self._changed:
            if self._state is RuntimeState.RUNNING:
                return _invalid_transition("an invocation is running, answer it first")
            if self._state in (RuntimeState.GONE, RuntimeState.INIT_FAILED):
                return None
            self._newest_poll += 1
            poll = self._newest_poll
            self._state = RuntimeState.READY
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    self._pending is not None
                    or self._state is RuntimeState.GONE
                    or poll != self._newest_poll
                )
            )
            if self._state is RuntimeState.GONE or poll != self._newest_poll:
                return None
            self._current, self._pending = self._pending, None
            self._state = RuntimeState.RUNNING
            self._changed.notify_all()
            return self._current

    def not_delivered(self, invocation: Invocation) -> None:
        """The connection broke while the event was written: the next poll gets it."""
        with self._changed:
            if self._current is invocation and self._state is RuntimeState.RUNNING:
                self._current, self._pending = None, invocation
                self._state = RuntimeState.ANSWERED
                self._changed.notify_all()

    def answer(self, request_id: str, answer: Answer) -> _Refusal | None:
        """Take the runtime's answer, or say why not."""
        with self._changed:
            if (
                self._state is not RuntimeState.RUNNING
                or self._current is None
                or self._current.request_id != request_id
            ):
                return _Refusal(HTTPStatus.BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            refusal = None
            if len(answer.payload) > MAX_RESPONSE_BYTES:
                message = (
                    "Response payload size exceeded maximum allowed payload size "
                    f"({MAX_RESPONSE_BYTES} bytes)."
                )
                answer = error_answer("Function.ResponseSizeTooLarge", message)
                refusal = _Refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", message
                )
            self._answer = answer
            self._current = None
            self._state = RuntimeState.ANSWERED
            self._changed.notify_all()
            return refusal

    def fail_init(self, answer: Answer) -> _Refusal | None:
        with self._changed:
            if self._state is not RuntimeState.INITIALIZING:
                return _invalid_transition("init is over")
            self._init_error = answer
            self._state = RuntimeState.INIT_FAILED
            self._changed.notify_all()
            return None


@dataclass(frozen=True)
class _Refusal:
    status: HTTPStatus
    error_type: str
    message: str


def _invalid_transition(why: str) -> _Refusal:
    return _Refusal(HTTPStatus.FORBIDDEN, "InvalidStateTransition", f"Transition refused: {why}")


class _BrokenRequest(Exception):
    """The body ended early or is framed wrongly: hang up, there is nothing to answer."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], api: RuntimeApi) -> None:
        self.api = api
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's would look up the host's name, which can take seconds.
        self.socket.setsockopt(6, 1, 1)  # TCP_NODELAY is inherited by what is accepted
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request: object, client_address: object) -> None:
        """A runtime that dies in the middle of a request is the environment's concern."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered, so that head and body of an answer leave in one segment.
    wbufsize = -1
    server: _Server

    def log_message(self, *_: object) -> None:
        """Silence: a line for each request would drown the emulator's log."""

    def do_GET(self) -> None:
        api = self.server.api
        if self.path == f"{VERSION}/ping":
            self._send(HTTPStatus.OK, b"pong", {"Content-Type": "text/plain"})
        elif self.path == f"{VERSION}/runtime/invocation/next":
            event = api.next_invocation()
            if event is None:
                self.close_connection = True
            elif isinstance(event, _Refusal):
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
    ) -> Callable[[], _Refusal | None] | None:
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
        self._refuse(_Refusal(HTTPStatus.NOT_FOUND, "NotFound", f"no such path: {self.path}"))

    def _refuse(self, refusal: _Refusal) -> None:
        body = {"errorMessage": refusal.message, "errorType": refusal.error_type}
        self._send(refusal.status, json.dumps(body).encode())

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
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


def deadline_in(timeout_s: float) -> int:
    """A deadline `timeout_s` from now, Unix milliseconds."""
    return int((time.time() + timeout_s) * 1000)
