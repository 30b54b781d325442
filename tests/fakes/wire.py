"""Every request that boto3 clients of this process send, and where it would have gone.

`Wire` stands where botocore hands a signed request to the network. It notes it and, with a
`port`, carries it to the emulator there whatever host it was meant for: code that believes to
talk to AWS then gets real answers, and the notes tell what AWS would have got.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import pytest
from botocore.httpsession import URLLib3Session

SIGNATURE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com")
INVOCATION = re.compile(r"/\d{4}-\d\d-\d\d/functions/(?P<function>[^/]+)/invocations")
S3_OBJECT = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
S3_BUCKET = {"GET": "ListObjectsV2", "PUT": "CreateBucket", "HEAD": "HeadBucket"}


@dataclass(frozen=True)
class Call:
    """One signed request. `resource` is a bucket/key, a table or a queue, where there is one."""

    host: str
    access_key: str
    session_token: str | None
    region: str
    service: str
    operation: str
    resource: str
    status: int


class Wire:
    """What was sent, in order. Threads of the code under test may send at once."""

    def __init__(self, port: int | None) -> None:
        self.calls: list[Call] = []
        self._port = port
        self._lock = threading.Lock()

    def send(self, session: URLLib3Session, request: Any, really_send: Any) -> Any:
        host = urlsplit(request.url).netloc
        note = _note(request)
        if self._port:
            request.url = _to_emulator(request.url, self._port)
        answer = really_send(session, request)
        if note:
            with self._lock:
                self.calls.append(Call(host=host, status=answer.status_code, **note))
        return answer

    def operations(self) -> set[tuple[str, str]]:
        return {(call.service, call.operation) for call in self.calls}


@contextmanager
def recording(monkeypatch: pytest.MonkeyPatch, port: int | None = None) -> Iterator[Wire]:
    wire, really_send = Wire(port), URLLib3Session.send
    with monkeypatch.context() as patch:
        patch.setattr(
            URLLib3Session,
            "send",
            lambda session, request: wire.send(session, request, really_send),
        )
        yield wire


def _note(request: Any) -> dict[str, Any] | None:
    """What the request says of itself; None when nobody signed it."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    signed = SIGNATURE.search(headers.get("authorization", ""))
    if signed is None:
        return None
    access_key, region, service = signed.groups()
    operation, resource = _what(service, request, headers)
    return {
        "access_key": access_key,
        "session_token": headers.get("x-amz-security-token"),
        "region": region,
        "service": service,
        "operation": operation,
        "resource": resource,
    }


def _what(service: str, request: Any, headers: dict[str, str]) -> tuple[str, str]:
    address = urlsplit(request.url)
    if service == "s3":
        bucket, key = _s3_place(address)
        operation = (S3_OBJECT if key else S3_BUCKET).get(request.method, request.method)
        if operation == "GetObject" and "versionId" in parse_qs(address.query):
            operation = "GetObjectVersion"  # a right of its own
        return operation, f"{bucket}/{key}" if key else bucket
    if target := headers.get("x-amz-target"):
        fields = json.loads(_text(request.body))
        tables = fields.get("RequestItems") or [fields.get("TableName", "")]
        queue = fields.get("QueueName") or fields.get("QueueUrl", "").rpartition("/")[2]
        return target.rpartition(".")[2], queue or ",".join(tables)
    if service == "lambda" and (invoked := INVOCATION.fullmatch(address.path)):
        return "InvokeFunction", unquote(invoked["function"])
    body = parse_qs(_text(request.body or b"")) if request.method == "POST" else {}
    return body.get("Action", [f"{request.method} {address.path}"])[0], ""


def _s3_place(address: Any) -> tuple[str, str]:
    virtual = S3_HOST.fullmatch(address.netloc)
    path = unquote(address.path).lstrip("/")
    if virtual and virtual["bucket"]:
        return virtual["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key


def _to_emulator(url: str, port: int) -> str:
    """The same request at the emulator, path-style where it had the bucket in its host."""
    address = urlsplit(url)
    virtual = S3_HOST.fullmatch(address.netloc)
    path = address.path
    if virtual and virtual["bucket"]:
        path = f"/{virtual['bucket']}{path}"
    return urlunsplit(("http", f"127.0.0.1:{port}", path, address.query, ""))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, (bytes, bytearray)) else str(value)
