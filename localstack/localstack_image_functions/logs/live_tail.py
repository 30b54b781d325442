"""StartLiveTail: who watches log groups is sent each second what came to them since."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.api.logs import InvalidParameterException, LimitExceededException

from localstack_image_functions.logs.groups import checked, group_of
from localstack_image_functions.logs.patterns import compile_pattern
from localstack_image_functions.metrics.store import Owner

MOST_SESSIONS = 15
MOST_EVENTS_AT_ONCE = 500
EVERY_S = 1.0
LONGEST_S = 3 * 3600


@dataclass(eq=False)
class Session:
    """One that watches: `groups` are the names of log groups with what they were called by."""

    owner: Owner
    groups: dict[str, str]
    streams: tuple[str, ...]
    prefixes: tuple[str, ...]
    pattern: Any
    waiting: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watches(self, owner: Owner, group: str, stream: str) -> bool:
        return (
            owner == self.owner
            and group in self.groups
            and (not self.streams or stream in self.streams)
            and (not self.prefixes or stream.startswith(self.prefixes))
        )

    def take(self) -> tuple[list[dict[str, Any]], bool]:
        """What came since, and whether there was more than is sent."""
        with self.lock:
            found, self.waiting = self.waiting, []
        return found[:MOST_EVENTS_AT_ONCE], len(found) > MOST_EVENTS_AT_ONCE


SESSIONS: list[Session] = []


def tell(owner: Owner, group: str, stream: str, events: list[Any]) -> None:
    """Let those who watch know of events that were written."""
    for session in list(SESSIONS):
        if session.watches(owner, group, stream):
            now = int(time.time() * 1000)
            found = [
                {
                    "logGroupIdentifier": session.groups[group],
                    "logStreamName": stream,
                    "message": event["message"],
                    "timestamp": event["timestamp"],
                    "ingestionTime": now,
                }
                for event in events
                if session.pattern.matches(event["message"])
            ]
            with session.lock:
                # One more than is sent tells that there was more.
                room = MOST_EVENTS_AT_ONCE + 1 - len(session.waiting)
                session.waiting += found[: max(room, 0)]


def start(context: RequestContext, request: Any) -> Iterator[dict[str, Any]]:
    """A session's events, which go on until the client goes.

    Raises
    ------
    InvalidParameterException
        When names of streams and their beginnings are given, or either for several groups.
    LimitExceededException
        When as many sessions run as may.
    ResourceNotFoundException
        When a group is not there.
    """
    names, prefixes = request.get("logStreamNames"), request.get("logStreamNamePrefixes")
    asked = request["logGroupIdentifiers"]
    if names and prefixes:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefixes are mutually exclusive."
        )
    if (names or prefixes) and len(asked) > 1:
        raise InvalidParameterException("Log streams can be named for one log group only.")
    found = [group_of(context, {"logGroupIdentifier": one}).name for one in asked]
    session = Session(
        Owner(context.account_id, context.region),
        dict(zip(found, asked, strict=True)),
        tuple(names or ()),
        tuple(prefixes or ()),
        checked(lambda: compile_pattern(request.get("logEventFilterPattern"))),
    )
    if len(SESSIONS) >= MOST_SESSIONS:
        raise LimitExceededException(f"{MOST_SESSIONS} Live Tail sessions run already.")
    SESSIONS.append(session)
    told = {name: request[name] for name in _TOLD if request.get(name)}
    return _updates(session, {**told, "requestId": context.request_id})


_TOLD = (
    "logGroupIdentifiers", "logStreamNames", "logStreamNamePrefixes", "logEventFilterPattern",
)  # fmt: skip


def _updates(session: Session, told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ends = time.monotonic() + LONGEST_S
    try:
        yield {"sessionStart": {**told, "sessionId": str(uuid.uuid4())}}
        while time.monotonic() < ends:
            time.sleep(EVERY_S)  # as AWS: each second, whether something came or not
            events, sampled = session.take()
            # Without events, too: that is how a client that went is noticed.
            yield {
                "sessionUpdate": {
                    "sessionMetadata": {"sampled": sampled},
                    "sessionResults": events,
                }
            }
        yield {"SessionTimeoutException": {"message": "The session has run for three hours."}}
    finally:
        SESSIONS.remove(session)
