"""A small cloud on loopback that real boto3 clients talk to, and that fails on demand.

It knows what the device calls: STS GetCallerIdentity, S3 PutObject, and SQS GetQueueUrl,
ReceiveMessage (with long polls) and DeleteMessageBatch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

ACCOUNT = "000000000000"


@dataclass(frozen=True)
class StoredObject:
    """One PUT that the cloud took."""

    bucket: str
    key: str
    data: bytes
    metadata: dict[str, str]
    content_type: str


@dataclass(frozen=True)
class Failure:
    """How requests fail: an AWS error, a slow answer, or a cut connection.

    With a `body`, it is somebody else who answers: no request id, no checksum, any status.
    """

    status: int = 0
    code: str = ""
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    cut_after_bytes: int | None = None


@dataclass
class _Letter:
    body: str
    message_id: str
    visible_at: float = 0.0
    receipt: str = ""


@dataclass
class FakeCloud:
    """Use as a context manager. `put_failure` decides what happens to each PUT.

    `puts` has every PUT that was taken, in order, repetitions included. `on_put` may play
    the function: it is called with each stored object.
    """

    put_failure: Callable[[str], Failure | None] = lambda key: None
    sts_failure: Callable[[], Failure | None] = lambda: None
    on_put: Callable[[FakeCloud, StoredObject], None] = lambda cloud, stored: None
    visibility_s: float = 30.0
    puts: list[StoredObject] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    broken_puts: list[str] = field(default_factory=list)
    queues: dict[str, list[_Letter]] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What points a device program here."""
        return {"AWS_ENDPOINT_URL": self.url, "FACELAB_BACKEND": "embedded"}

    @property
    def keys(self) -> list[str]:
        return [stored.key for stored in self.puts]

    def __enter__(self) -> FakeCloud:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """Listen, on the same port as before."""
        server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """The network is cut: connections break, new ones are refused."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.cut_all()

    def send(self, queue: str, body: str) -> None:
        with self.changed:
            letters = self.queues.setdefault(queue, [])
            letters.append(_Letter(body, str(uuid.uuid4())))
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    # --- S3 --------------------------------------------------------------------------------

    def put(self, request: BaseHTTPRequestHandler, path: str) -> None:
        bucket, _, key = unquote(path.lstrip("/")).partition("/")
        failure = self.put_failure(key)
        length = int(request.headers["Content-Length"])
        if failure is not None and failure.cut_after_bytes is not None:
            request.rfile.read(min(length, failure.cut_after_bytes))
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        data = request.rfile.read(length)
        if failure is not None:
            time.sleep(failure.delay_s)
            if failure.status:
                return _fail(request, failure)
        if len(data) != length:
            self.broken_puts.append(key)
            return None
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        if request.headers.get("x-amz-checksum-sha256", checksum) != checksum:
            return _error(request, 400, "BadDigest")
        prefix = "x-amz-meta-"
        stored = StoredObject(
            bucket,
            key,
            data,
            {
                name.lower().removeprefix(prefix): value
                for name, value in request.headers.items()
                if name.lower().startswith(prefix)
            },
            request.headers.get("Content-Type", ""),
        )
        with self.changed:
            self.puts.append(stored)
            self.changed.notify_all()
        _answer(request, 200, b"", {"x-amz-checksum-sha256": checksum, "ETag": '"0"'})
        return self.on_put(self, stored)

    # --- SQS -------------------------------------------------------------------------------

    def sqs(self, operation: str, arguments: dict) -> tuple[int, dict]:
        if operation == "GetQueueUrl":
            name = arguments["QueueName"]
            if name not in self.queues:
                return 400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
            return 200, {"QueueUrl": f"{self.url}/{ACCOUNT}/{name}"}
        queue = arguments["QueueUrl"].rpartition("/")[2]
        if queue not in self.queues:
            return 400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
        if operation == "ReceiveMessage":
            return 200, {"Messages": self._receive(queue, arguments)}
        if operation == "DeleteMessageBatch":
            return 200, self._delete(queue, arguments["Entries"])
        if operation == "ChangeMessageVisibilityBatch":
            return 200, self._change_visibility(queue, arguments["Entries"])
        return 400, {"__type": f"com.amazonaws.sqs#UnsupportedOperation{operation}"}

    def _receive(self, queue: str, arguments: dict) -> list[dict]:
        deadline = time.monotonic() + arguments.get("WaitTimeSeconds", 0)
        server = self._server
        with self.changed:
            while True:
                now = time.monotonic()
                ready = [e for e in self.queues[queue] if e.visible_at <= now]
                if server is not self._server:
                    return []  # the caller was cut off while it waited
                if ready or now >= deadline:
                    break
                self.changed.wait(min(0.1, deadline - now))
            taken = []
            for letter in ready[: arguments.get("MaxNumberOfMessages", 1)]:
                letter.visible_at = now + self.visibility_s
                letter.receipt = str(uuid.uuid4())
                taken.append(
                    {
                        "MessageId": letter.message_id,
                        "ReceiptHandle": letter.receipt,
                        "Body": letter.body,
                        "MD5OfBody": hashlib.md5(letter.body.encode()).hexdigest(),  # noqa: S324
                    }
                )
            return taken

    def _delete(self, queue: str, entries: list[dict]) -> dict:
        with self.changed:
            receipts = {entry["ReceiptHandle"] for entry in entries}
            letters = self.queues[queue]
            self.queues[queue] = [e for e in letters if e.receipt not in receipts]
            self.changed.notify_all()
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}

    def _change_visibility(self, queue: str, entries: list[dict]) -> dict:
        with self.changed:
            timeouts = {one["ReceiptHandle"]: one["VisibilityTimeout"] for one in entries}
            for letter in self.queues[queue]:
                if letter.receipt in timeouts:
                    letter.visible_at = time.monotonic() + timeouts[letter.receipt]
            self.changed.notify_all()
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments: object) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: socket.socket, address: object) -> None:
        self._connections.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, address: object) -> None:
        """Cut connections are what this server is for."""

    def cut_all(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def _handler(cloud: FakeCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_PUT(self) -> None:
            cloud.requests.append(f"PUT {self.path}")
            cloud.put(self, self.path.partition("?")[0])

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target", "")
            cloud.requests.append(f"POST {target or body.decode()}")
            if target.startswith("AmazonSQS."):
                status, answer = cloud.sqs(target.partition(".")[2], json.loads(body))
                headers = {"Content-Type": "application/x-amz-json-1.0"}
                return _answer(self, status, json.dumps(answer).encode(), headers)
            if b"Action=GetCallerIdentity" in body:
                if (failure := cloud.sts_failure()) is not None:
                    return _fail(self, failure)
                return _answer(self, 200, IDENTITY, {"Content-Type": "text/xml"})
            return _error(self, 400, "UnknownOperation")

        def log_message(self, *_: object) -> None:
            """Tests have enough to say."""

    return Handler


IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    f"<GetCallerIdentityResult><Account>{ACCOUNT}</Account><UserId>U</UserId>"
    f"<Arn>arn:aws:iam::{ACCOUNT}:root</Arn></GetCallerIdentityResult>"
    "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    "</GetCallerIdentityResponse>"
).encode()


def _answer(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
) -> None:
    request.send_response(status)
    for name in ("x-amz-request-id", "x-amzn-RequestId"):  # S3 says the one, SQS and STS the other
        request.send_header(name, "R3QU35T")
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def _fail(request: BaseHTTPRequestHandler, failure: Failure) -> None:
    if failure.body is None:
        return _error(request, failure.status, failure.code)
    request.send_response(failure.status)
    for name, value in (*failure.headers, ("Content-Length", str(len(failure.body)))):
        request.send_header(name, value)
    request.end_headers()
    return request.wfile.write(failure.body) and None


def _error(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    body = f"<Error><Code>{code}</Code><Message>{code} on purpose</Message></Error>".encode()
    _answer(request, status, body, {"Content-Type": "application/xml"})
