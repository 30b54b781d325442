"""An HTTP proxy that knows AWS's services, and spoils chosen calls in chosen ways."""

from __future__ import annotations

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Fault:
    """How a call is spoiled.

    `reaches` says whether the service gets the request. Then either the answer is another one
    (`status`, `body`), or ours is cut after `keep_bytes`, or it comes after `delay_s`.
    """

    name: str
    reaches: bool = True
    status: int | None = None
    body: bytes = b""
    content_type: str = "text/html"
    keep_bytes: int | None = None
    delay_s: float = 0.0


LOST = Fault("request lost", reaches=False, keep_bytes=0)
ANSWER_LOST = Fault("answer lost", keep_bytes=0)
TRUNCATED = Fault("answer truncated", keep_bytes=40)
LATE = Fault("answer late", delay_s=4.0)

PORTAL = b"<html><head><title>Welcome</title></head><body>Log in to this network</body></html>"
BODIES = {
    "html": (PORTAL, "text/html"),
    "json": (b'{"message": "upstream connect error"}', "application/json"),
    "empty": (b"", "text/plain"),
    "half xml": (b'<?xml version="1.0"?><Error><Code>Acc', "application/xml"),
    "strange xml": (b"<?xml version='1.0'?><Welcome><Code>42</Code></Welcome>", "application/xml"),
}
STATUSES = (200, 204, 302, 400, 403, 404, 407, 418, 500, 502, 503, 511)


def wrong(status: int, body: str, reaches: bool = False) -> Fault:
    """A middlebox answers in the service's place; with `reaches` after the service did."""
    data, content_type = BODIES[body]
    return Fault(f"{status} {body}", reaches, status, data, content_type)


@dataclass(frozen=True)
class Call:
    """A request, by what it asks of whom."""

    service: str
    operation: str

    def __str__(self) -> str:
        return f"{self.service}.{self.operation}"


def call_of(method: str, path: str, headers: dict[str, str], body: bytes) -> Call:
    """Which service's operation a request is, from how AWS's protocols look."""
    target = headers.get("x-amz-target", "")
    if target:
        prefix, _, operation = target.partition(".")
        return Call(
            {"AmazonSQS": "sqs", "DynamoDB_20120810": "dynamodb"}.get(prefix, prefix), operation
        )
    if method == "POST" and b"Action=" in body:
        return Call("sts", parse_qs(body.decode("latin-1"))["Action"][0])
    operation = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}.get(method, method)
    return Call("s3", operation)


class FaultProxy:
    """Forwards to `target_port`; `choose` names the fault of each call, None for none.

    Use as a context manager. `calls` and `spoiled` count what passed.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.choose: Callable[[Call], Fault | None] = lambda call: None
        self.calls: Counter[str] = Counter()
        self.spoiled: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spoil(self, fault: Fault, call: str, times: int | None = None) -> None:
        """Spoil every such call (`service.Operation`), or the first `times`."""
        left = [times]

        def choose(made: Call) -> Fault | None:
            if str(made) != call or left[0] == 0:
                return None
            if left[0] is not None:
                left[0] -= 1
            return fault

        self.choose = choose

    def heal(self) -> None:
        self.choose = lambda call: None

    def __enter__(self) -> FaultProxy:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def fault_of(self, call: Call) -> Fault | None:
        with self._lock:
            self.calls[str(call)] += 1
            fault = self.choose(call)
            if fault is not None:
                self.spoiled[f"{call} {fault.name}"] += 1
            return fault

    def ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._target_port, timeout=60)
        try:
            connection.putrequest(request.command, request.path, skip_host=True,
                                  skip_accept_encoding=True)  # fmt: skip
            for name, value in request.headers.items():
                if name.lower() not in HOP_BY_HOP | {"expect"}:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed leaves broken connections; that is what we are here for."""


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = _body(self)
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = call_of(self.command, self.path, headers, body)
            fault = proxy.fault_of(call)
            status, given, data = 502, [], b""
            if fault is None or fault.reaches:
                try:
                    status, given, data = proxy.ask(self, body)
                except OSError:
                    return self._break()
            if fault is None:
                return self._answer(status, given, data)
            if fault.delay_s:
                threading.Event().wait(fault.delay_s)
            if fault.status is not None:
                given = [("Content-Type", fault.content_type)]
                if fault.status in (302, 307):
                    given.append(("Location", "http://127.0.0.1:9/login"))
                return self._answer(fault.status, given, fault.body)
            if fault.keep_bytes == 0:
                return self._break()
            return self._answer(status, given, data, fault.keep_bytes)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

        def _answer(
            self, status: int, headers: list, data: bytes, keep_bytes: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if status != 204:
                self.wfile.write(data[:keep_bytes])
            if keep_bytes is not None and keep_bytes < len(data):
                self._break()

        def _break(self) -> None:
            self.close_connection = True
            try:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            """Tests have enough to say."""

    return Handler


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        data = b""
        while size := int(request.rfile.readline().split(b";")[0], 16):
            data += request.rfile.read(size)
            request.rfile.readline()
        while request.rfile.readline().strip():
            pass
        return data
    return request.rfile.read(int(request.headers.get("Content-Length", 0)))
