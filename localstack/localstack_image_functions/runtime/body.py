"""The body of an HTTP request, sized or chunked. Standard library only."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from io import BufferedIOBase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
MAX_LINE_BYTES = 65_536

CONTEXT_REFUSAL = "Client context must be a valid Base64-encoded JSON object."


class BodyRefused(Exception):
    """When the body can't be had: framed wrongly, ended early, or over the limit."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


def read_body(
    stream: BufferedIOBase, headers: Mapping[str, str] | Message, max_bytes: int
) -> bytes:
    """Read the body that `headers` announce; none announced is an empty one.

    Raises
    ------
    BodyRefused
        When it is over `max_bytes` (413), ends early or is framed wrongly (400). The
        connection must be closed then: where the next request begins is unknown.
    """
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return _read_chunks(stream, max_bytes)
    length = headers.get("Content-Length") or "0"
    if not length.isdecimal():
        raise BodyRefused(HTTPStatus.BAD_REQUEST, f"Content-Length: {length} is not a number")
    return _read_exactly(stream, int(length), max_bytes)


def _read_chunks(stream: BufferedIOBase, max_bytes: int) -> bytes:
    body = b""
    while True:
        head = _read_line(stream).partition(b";")[0].strip()
        if not head or not set(head) <= HEX_DIGITS:
            raise BodyRefused(HTTPStatus.BAD_REQUEST, "a chunk has no size")
        size = int(head, 16)
        if size == 0:
            break
        body += _read_exactly(stream, size, max_bytes - len(body))
        _read_line(stream)
    while _read_line(stream).strip():
        pass  # trailers
    return body


def _read_exactly(stream: BufferedIOBase, size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
    data = stream.read(size)
    if len(data) < size:
        raise BodyRefused(HTTPStatus.BAD_REQUEST, "the body ended early")
    return data


def _read_line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise BodyRefused(HTTPStatus.BAD_REQUEST, "the body ended early")
    return line


def read_client_context(header: str | None) -> str | None:
    """The JSON that the runtime gets, of what travels in base64; None where there is none.

    Raises
    ------
    ValueError
        When it is not base64 of JSON.
    """
    if header is None:
        return None
    text = base64.b64decode(header, validate=True).decode()
    try:
        json.loads(text)
    except RecursionError as error:
        raise ValueError(CONTEXT_REFUSAL) from error
    return text
