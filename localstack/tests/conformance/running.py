"""Asks an endpoint for behaviors, and compares."""

from __future__ import annotations

import datetime
import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
import jmespath
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from conformance import links
from conformance.filling import Unfilled, code, fill
from conformance.matching import mismatch
from conformance.reading import Behavior, Call, Group, Step, documented_status

PASSED, FAILED = "passed", "failed"
KNOWN_DIFFERENCE, UNSUPPORTED = "known difference", "unsupported"
AT_ONCE = 8
NOT_IMPLEMENTED = 501
PATIENCE_S = 5.0
"""The longest that an emulator may take to what AWS may take minutes to."""


@dataclass(frozen=True)
class Outcome:
    """What came of a behavior."""

    behavior: Behavior
    result: str
    said: str = ""
    """What was different, in words."""
    took_ms: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A parsed answer, or an error in its place."""

    status: int
    fields: dict[str, Any]
    error: str | None = None
    message: str = ""


class StepFailed(Exception):
    """What must be there before a behavior could not be made: see the answer in the message."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Endpoint:
    """Where the requests go: `url`, or AWS itself with the keys of the environment."""

    def __init__(
        self,
        url: str | None,
        region: str,
        run: str,
        role: str | None = None,
        runtime: str = "python3.11",
    ) -> None:
        self.url = url
        self.region = region
        self.run = run
        self.runtime = runtime
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}
        self.account = self.client("sts").get_caller_identity()["Account"] if not url else "0" * 12
        self.role = role or f"arn:aws:iam::{self.account}:role/conformance"

    def client(self, service: str) -> Any:
        with self._making:  # boto3 makes one at a time
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def _made(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} if self.url else {}
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            config=Config(
                parameter_validation=False,  # the endpoint is asked, not botocore
                retries={"mode": "standard", "total_max_attempts": 1 if self.url else 6},
                s3={"addressing_style": "path"},
                signature_version="s3v4" if service == "s3" else None,  # of presigned URLs, too
                read_timeout=70,
                inject_host_prefix=not self.url,  # which no name server knows of an emulator
                max_pool_connections=2 * AT_ONCE,
            ),
            **keys,
        )

    def ask(self, call: Call, names: dict[str, Any]) -> Answer:
        """Send one request as it stands."""
        if call.service == links.SERVICE:
            given = fill(call.parameters, names)
            return Answer(*links.asked(self.client("s3"), call.operation, given))
        client = self.client(call.service)
        method = _method_names(client)[call.operation]
        try:
            fields = getattr(client, method)(**fill(call.parameters, names))
        except ClientError as error:
            said = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return Answer(status, error.response, said["Code"], said.get("Message") or "")
        except BotoCoreError as error:
            return Answer(0, {}, type(error).__name__, str(error))
        for name, value in fields.items():
            if hasattr(value, "iter_chunks"):
                fields[name] = value.read().decode(errors="replace")
        return Answer(fields["ResponseMetadata"]["HTTPStatusCode"], fields)


@functools.cache
def _method_names(client: Any) -> dict[str, str]:
    return {operation: method for method, operation in client.meta.method_to_api_mapping.items()}


def run_groups(
    endpoint: Endpoint, groups: Iterable[Group], tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Ask for all behaviors, several groups at once; outcomes in the order of the groups."""

    def all_of(numbered: tuple[int, Group]) -> list[Outcome]:
        outcomes = []
        for outcome in run_group(endpoint, *numbered):
            tell(outcome)
            outcomes.append(outcome)
        return outcomes

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="group") as pool:
        return [one for outcomes in pool.map(all_of, enumerate(groups, 1)) for one in outcomes]


def run_group(endpoint: Endpoint, number: int, group: Group) -> Iterator[Outcome]:
    """Set a group up and ask for its behaviors, one after another."""
    prefix = f"{endpoint.run}-{number}"
    names: dict[str, Any] = {
        "group": prefix,
        "account": endpoint.account,
        "region": endpoint.region,
        "role": endpoint.role,
        "runtime": endpoint.runtime,
        "zip": code(),
        **_times(),
    }
    try:
        for step in group.setup:
            _do(endpoint, step, names)
    except (StepFailed, Unfilled) as error:
        for behavior in group.behaviors:
            yield _failed(behavior, f"set-up: {error}", 0.0, error)
        return
    for count, behavior in enumerate(group.behaviors, 1):
        names["name"] = f"{prefix}-{count}"
        started = time.monotonic()
        try:
            for step in behavior.before:
                _do(endpoint, step, names)
            answer, different = _until(
                endpoint, behavior.call, names, behavior.within_s, _expectation(behavior)
            )
        except (StepFailed, Unfilled) as error:
            yield _failed(behavior, f"before: {error}", started, error)
            continue
        if different is None:
            yield Outcome(behavior, PASSED, took_ms=_ms_since(started))
        else:
            yield _failed(behavior, different, started, answer)


def _times() -> dict[str, Any]:
    """Times to put into requests: `now` as it is, `now_ms` and `now_s` as numbers, and others."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    hours = {
        "now": 0,
        "hour_ago": -1,
        "hour_ahead": 1,
        "three_hours_ahead": 3,
        "two_days_ago": -48,
        "fifteen_days_ago": -15 * 24,
    }
    times: dict[str, Any] = {}
    for name, count in hours.items():
        time_then = now + datetime.timedelta(hours=count)
        seconds = int(time_then.timestamp())
        times |= {name: time_then, f"{name}_s": seconds, f"{name}_ms": seconds * 1000}
    return times


def _failed(behavior: Behavior, said: str, started: float, by: Any) -> Outcome:
    if getattr(by, "status", 0) == NOT_IMPLEMENTED:
        result = UNSUPPORTED
    else:
        result = KNOWN_DIFFERENCE if behavior.known_difference else FAILED
    return Outcome(behavior, result, said, _ms_since(started) if started else 0.0)


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1e3, 1)


Compare = Callable[[Answer, dict[str, Any]], str | None]


def _until(
    endpoint: Endpoint, call: Call, names: dict[str, Any], within_s: float, compare: Compare
) -> tuple[Answer, str | None]:
    """The first answer that is as it should be, or the last within the time."""
    deadline = time.monotonic() + (min(within_s, PATIENCE_S) if endpoint.url else within_s)
    while True:
        answer = endpoint.ask(call, names)
        different = compare(answer, names)
        if different is None or time.monotonic() >= deadline:
            return answer, different
        time.sleep(0.1)


def _do(endpoint: Endpoint, step: Step, names: dict[str, Any]) -> None:
    if step.wait:
        waiter = endpoint.client(step.call.service).get_waiter(step.wait)
        if endpoint.url:
            waiter.config.delay = 0.1  # an emulator is ready sooner than AWS
        try:
            waiter.wait(**fill(step.call.parameters, names))
        except WaiterError as error:
            raise StepFailed(str(error)) from error
        return

    def compare(answer: Answer, names: dict[str, Any]) -> str | None:
        if answer.error:
            return f"{answer.error}: {answer.message}"
        return mismatch(fill(step.until or {}, names), answer.fields)

    answer, different = _until(endpoint, step.call, names, step.within_s, compare)
    if different and step.optional:
        names.update(dict.fromkeys(step.save, ""))
        return
    if different:
        raise StepFailed(f"{step.call.operation}: {different}", answer.status)
    for name, place in step.save.items():
        names[name] = jmespath.search(place, answer.fields)


def _expectation(behavior: Behavior) -> Compare:
    def error_expected(answer: Answer, _names: dict[str, Any]) -> str | None:
        wanted = " or ".join(behavior.errors)
        if answer.error is None:
            return f"it succeeded; expected {wanted}"
        if answer.error not in behavior.errors:
            return f"{answer.error} ({answer.message[:200]}); expected {wanted}"
        statuses = behavior.statuses or (documented_status(behavior.call, answer.error),)
        if answer.status not in statuses:
            return f"HTTP status {answer.status} of {answer.error}; expected {statuses}"
        if behavior.message:
            return mismatch({"$regex": behavior.message}, answer.message, "message")
        return None

    def answer_expected(answer: Answer, names: dict[str, Any]) -> str | None:
        if answer.error is not None:
            return f"{answer.error} ({answer.message[:200]}); expected an answer"
        if behavior.statuses and answer.status not in behavior.statuses:
            return f"HTTP status {answer.status}; expected {behavior.statuses}"
        return mismatch(fill(behavior.answer or {}, names), answer.fields)

    return error_expected if behavior.errors else answer_expected
