"""A long poll whose client has gone: what arrives for it goes back to the queue at once.

LocalStack waits on, hands the message to nobody, and hides it for the visibility timeout: the
next viewer's first result seems to be lost for as long.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

CLIENT_GONE = "image_functions.client_gone"
_COUNT = "ApproximateReceiveCount"

IsGone = Callable[[], bool]
_current = threading.local()


def hung_up(descriptor: int) -> bool:
    """Whether the other end of a connection closed it; nothing is read."""
    if descriptor < 0:
        return True
    try:
        with socket.socket(fileno=socket.dup(descriptor)) as peeked:
            return peeked.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def is_gone(environment: Mapping[str, Any]) -> IsGone | None:
    """How to ask whether a request's client has gone, where the server says."""
    return environment.get(CLIENT_GONE)


@contextlib.contextmanager
def poll_of(gone: IsGone | None) -> Any:
    """What this thread receives meanwhile is for that client."""
    _current.gone = gone
    try:
        yield
    finally:
        _current.gone = None


def giving_back(receive: Callable[..., Any]) -> Callable[..., Any]:
    """A queue's `receive` that does not hand messages to a client that has gone."""

    def checked(queue: Any, *arguments: Any, **options: Any) -> Any:
        result = receive(queue, *arguments, **options)
        gone: IsGone | None = getattr(_current, "gone", None)
        if result.successful and gone is not None and gone():
            for message, handle in zip(result.successful, result.receipt_handles, strict=True):
                _as_never_received(message)
                queue.update_visibility_timeout(handle, 0)
            result.successful.clear()
            result.receipt_handles.clear()
        return result

    return checked


def _as_never_received(message: Any) -> None:
    message.receive_count -= 1
    attributes = message.message["Attributes"]
    attributes[_COUNT] = str(int(attributes[_COUNT]) - 1)
    if message.receive_count == 0:
        message.first_received = None
