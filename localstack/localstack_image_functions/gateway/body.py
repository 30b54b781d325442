"""A request's body as a stream that ends where the body does."""

from __future__ import annotations

import io
from email.message import Message
from io import BufferedIOBase
from typing import Any

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import DechunkedInput

DRAINED_BYTES = 1 << 20
"""How much of a body that nobody read is thrown away to keep the connection; more is not worth
it."""


class NotFramed(ValueError):
    """When it can't be told where the body ends."""


class RequestBody(io.RawIOBase):
    """Bytes of one request, never of the next."""

    def readable(self) -> bool:
        return True

    def drain(self) -> bool:
        """Throw the rest away. False where there is too much, or it does not come."""
        for _ in range(DRAINED_BYTES // io.DEFAULT_BUFFER_SIZE):
            try:
                if not self.read(io.DEFAULT_BUFFER_SIZE):
                    return True
            except (OSError, ClientDisconnected):
                return False
        return False


class SizedBody(RequestBody):
    """A body whose length was told.

    Reading raises `ClientDisconnected` when the client leaves before its end: half an object
    is none.
    """

    def __init__(self, stream: BufferedIOBase, length: int) -> None:
        self._stream, self._left = stream, length

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._left)
        data = self._take(wanted)
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._take(self._left)

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size) if size else b""
        if len(data) < size:
            raise ClientDisconnected
        self._left -= size
        return data


class ChunkedBody(RequestBody):
    """A body in chunks."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._chunks = DechunkedInput(stream)

    def readinto(self, buffer: Any) -> int:
        return self._chunks.readinto(buffer)


def request_body(stream: BufferedIOBase, headers: Message) -> RequestBody:
    """The body that `headers` announce; none announced is an empty one.

    Raises
    ------
    NotFramed
        When they contradict each other, or name no length that is a number: two readers of
        such a request would not agree where the next one begins.
    """
    codings = headers.get_all("Transfer-Encoding", [])
    lengths = set(headers.get_all("Content-Length", []))
    if codings:
        if lengths:
            raise NotFramed("Content-Length beside Transfer-Encoding")
        if [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise NotFramed(f"Transfer-Encoding: {codings[0][:40]!r} is not supported")
        return ChunkedBody(stream)
    if not lengths:
        return SizedBody(stream, 0)
    (length, *others) = lengths
    if others or not (length.isascii() and length.isdecimal()):
        raise NotFramed("Content-Length is not one number")
    return SizedBody(stream, int(length))
