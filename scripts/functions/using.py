"""What is deployed, and what it answers and says."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cloud.listing import every
from cloud.switch import Switch
from scripts.errors import LabError
from scripts.functions import triggers
from scripts.functions.deployment import find, log_group
from scripts.functions.triggers import Target

MOST_BYTES = 6 * 2**20


class BadEvent(LabError):
    """What is to be sent is no event."""


@dataclass(frozen=True)
class ListedFunction:
    """A function as `make functions` shows it."""

    name: str
    package: str
    state: str
    memory_mb: int
    timeout_s: int
    changed: str
    code: str
    triggers: tuple[str, ...]


def listed(switch: Switch) -> list[ListedFunction]:
    """Every function of the account and region, the lab's own too."""
    client = switch.client("lambda")
    found = []
    for one in every(client, "list_functions", "Functions"):
        target = Target(one["FunctionName"], one["FunctionArn"], one["Timeout"])
        # A list of functions leaves the state out.
        more = client.get_function_configuration(FunctionName=one["FunctionName"])
        found.append(
            ListedFunction(
                name=one["FunctionName"],
                package=one.get("Runtime") or one["PackageType"].lower(),
                state=more["State"],
                memory_mb=one["MemorySize"],
                timeout_s=one["Timeout"],
                changed=one["LastModified"],
                code=one["CodeSha256"],
                triggers=tuple(triggers.describe(switch, target)),
            )
        )
    return sorted(found, key=lambda one: one.name)


@dataclass(frozen=True)
class InvocationResult:
    """What an invocation came to. `error` is Lambda's word for a failure (`Unhandled`)."""

    payload: Any
    error: str | None
    log: str
    duration_ms: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_event(text: str) -> bytes:
    """An event as Lambda takes it.

    Raises
    ------
    BadEvent
    """
    try:
        json.loads(text)
    except ValueError as error:
        raise BadEvent(f"the event is no JSON: {error}", "EVENT= names a file with JSON") from error
    data = text.encode()
    if len(data) > MOST_BYTES:
        raise BadEvent(f"the event has {len(data)} bytes; Lambda takes {MOST_BYTES}")
    return data


def invoke(switch: Switch, name: str, event: bytes) -> InvocationResult:
    """Invoke the function and wait for its answer.

    Raises
    ------
    NoSuchFunction
    """
    target = find(switch, name)
    client = switch.client(
        "lambda", read_timeout=target.timeout_s + 60, retries={"max_attempts": 0}
    )
    began = time.perf_counter()
    answer = client.invoke(FunctionName=name, Payload=event, LogType="Tail")
    body = answer["Payload"].read()
    return InvocationResult(
        payload=json.loads(body) if body else None,
        error=answer.get("FunctionError"),
        log=base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
        duration_ms=round((time.perf_counter() - began) * 1000, 1),
    )


def said(
    switch: Switch,
    name: str,
    follow: bool,
    since_s: float,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """The function's output from CloudWatch Logs, each with the time (Unix, ms) and the message.

    Raises
    ------
    NoSuchFunction
    """
    find(switch, name)
    logs = switch.client("logs")
    start = int((time.time() - since_s) * 1000)
    seen: set[str] = set()
    while True:
        try:
            asked = {"logGroupName": log_group(name), "startTime": start}
            for event in every(logs, "filter_log_events", "events", **asked):
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    yield {"time_ms": event["timestamp"], "message": event["message"]}
        except logs.exceptions.ResourceNotFoundException:
            pass  # it has said nothing yet
        if not follow:
            return
        wait(1)  # CloudWatch Logs has no call that waits for the next line
