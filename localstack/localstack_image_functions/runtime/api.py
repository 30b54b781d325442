"""The Lambda Runtime API (2018-06-01) for one execution environment: its states.

Standard library only, so that an image can carry this file and serve itself.

A runtime inside the environment asks `GET …/invocation/next`, which blocks until there is
an event, and posts the answer to `…/invocation/<id>/response` or `…/error`. Whoever owns the
environment calls `send` and `wait_for_answer`. One invocation at a time, as on AWS. `server`
is the HTTP side of it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100


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


@dataclass(frozen=True)
class Refusal:
    """A request that the runtime should not have made, or not now."""

    status: HTTPStatus
    error_type: str
    message: str


class RuntimeApi:
    """Where an environment and its runtime meet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state = RuntimeState.INITIALIZING
        self._init_error: Answer | None = None
        self._pending: Invocation | None = None
        self._current: Invocation | None = None
        self._answer: Answer | None = None
        self._newest_poll = 0

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

    # What the server's threads call.

    def next_invocation(self) -> Invocation | Refusal | None:
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

    def answer(self, request_id: str, answer: Answer) -> Refusal | None:
        """Take the runtime's answer, or say why not."""
        with self._changed:
            if (
                self._state is not RuntimeState.RUNNING
                or self._current is None
                or self._current.request_id != request_id
            ):
                return Refusal(HTTPStatus.BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
            refusal = None
            if len(answer.payload) > MAX_RESPONSE_BYTES:
                message = (
                    "Response payload size exceeded maximum allowed payload size "
                    f"({MAX_RESPONSE_BYTES} bytes)."
                )
                answer = error_answer("Function.ResponseSizeTooLarge", message)
                refusal = Refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", message
                )
            self._answer = answer
            self._current = None
            self._state = RuntimeState.ANSWERED
            self._changed.notify_all()
            return refusal

    def fail_init(self, answer: Answer) -> Refusal | None:
        with self._changed:
            if self._state is not RuntimeState.INITIALIZING:
                return _invalid_transition("init is over")
            self._init_error = answer
            self._state = RuntimeState.INIT_FAILED
            self._changed.notify_all()
            return None


def _invalid_transition(why: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, "InvalidStateTransition", f"Transition refused: {why}")


def deadline_in(timeout_s: float) -> int:
    """A deadline `timeout_s` from now, Unix milliseconds."""
    return int((time.time() + timeout_s) * 1000)
