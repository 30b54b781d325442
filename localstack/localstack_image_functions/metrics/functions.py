"""AWS/Lambda: counted where an invocation ends."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localstack.aws.api.lambda_ import TooManyRequestsException

from localstack_image_functions.metrics.store import METRICS, Metric, MetricStore, Owner

NAMESPACE = "AWS/Lambda"
_DURATION = re.compile(r"^REPORT RequestId: .*?\tDuration: ([\d.]+) ms", re.MULTILINE)


@dataclass(frozen=True)
class Invoked:
    """Which function an invocation is of.

    `resource` is `name` or `name:qualifier`, as it was asked for; `reserved` says whether the
    function has concurrency of its own.
    """

    owner: Owner
    function: str
    resource: str
    reserved: bool = False


class FunctionMetrics:
    """Counts invocations of all functions, and how many run."""

    def __init__(self, store: MetricStore = METRICS) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._running: Counter[tuple[Owner, Metric]] = Counter()

    def began(self, invoked: Invoked) -> None:
        """An invocation runs from now on: how many are there now?"""
        gauges = _gauges(invoked)
        with self._lock:
            self._running.update(gauges)
            now = [(gauge, self._running[gauge]) for gauge in gauges]
        for (owner, metric), running in now:
            self._store.add(owner, metric, running)

    def ended(self, invoked: Invoked) -> None:
        """It runs no more, whatever came of it."""
        with self._lock:
            self._running -= Counter(_gauges(invoked))

    def answered(self, invoked: Invoked, duration_ms: float, is_error: bool) -> None:
        """The function ran, and answered or failed."""
        self._everywhere(invoked, "Invocations", 1)
        self._everywhere(invoked, "Errors", int(is_error))
        self._everywhere(invoked, "Throttles", 0)
        self._everywhere(invoked, "Duration", duration_ms, "Milliseconds")

    def throttled(self, invoked: Invoked) -> None:
        """The function did not run: too many others do."""
        self._everywhere(invoked, "Throttles", 1)

    def _everywhere(self, invoked: Invoked, name: str, value: float, unit: str = "Count") -> None:
        for dimensions in _views(invoked):
            metric = Metric.of(NAMESPACE, name, dimensions)
            self._store.add(invoked.owner, metric, value, unit)


def _views(invoked: Invoked) -> list[dict[str, str]]:
    """The account in this region, the function, the function by the name it was called by."""
    function = {"FunctionName": invoked.function}
    return [{}, function, {**function, "Resource": invoked.resource}]


def _gauges(invoked: Invoked) -> list[tuple[Owner, Metric]]:
    found = [Metric.of(NAMESPACE, "ConcurrentExecutions", view) for view in _views(invoked)]
    if not invoked.reserved:
        found.append(Metric(NAMESPACE, "UnreservedConcurrentExecutions"))
    return [(invoked.owner, metric) for metric in found]


def count_invocations(metrics: FunctionMetrics | None = None) -> None:
    """Let LocalStack count here, once for each invocation.

    It starts a thread for each, which puts two of the figures through the API.
    """
    from localstack.services.lambda_.invocation import version_manager
    from localstack.services.lambda_.invocation.counting_service import CountingService

    counted, current = metrics or FunctionMetrics(), threading.local()
    manager = version_manager.LambdaVersionManager
    original, start_thread = manager.invoke, version_manager.start_thread
    lease = CountingService.get_invocation_lease

    @contextlib.contextmanager
    def get_invocation_lease(self: Any, function: Any, function_version: Any) -> Iterator[Any]:
        """What gets no lease is throttled: it ran at no time."""
        with lease(self, function, function_version) as kind:
            invoked = current.invoked
            counted.began(invoked)
            try:
                yield kind
            finally:
                counted.ended(invoked)

    def invoke(self: Any, *, invocation: Any) -> Any:
        invoked, began = _invoked(self, invocation), time.monotonic()
        current.invoked = invoked
        try:
            result = original(self, invocation=invocation)
        except TooManyRequestsException:
            counted.throttled(invoked)
            raise
        waited_ms = (time.monotonic() - began) * 1000
        counted.answered(invoked, reported_ms(result.logs) or waited_ms, result.is_error)
        return result

    def start(*arguments: Any, name: str | None = None, **options: Any) -> Any:
        if name and name.startswith("record-cloudwatch-metric"):
            return None
        return start_thread(*arguments, name=name, **options)

    manager.invoke = invoke
    CountingService.get_invocation_lease = get_invocation_lease
    version_manager.start_thread = start


def _invoked(manager: Any, invocation: Any) -> Invoked:
    version = manager.function_version.id
    qualifier = invocation.invoked_arn.split(":")[7:]
    function = manager.function
    return Invoked(
        Owner(version.account, version.region),
        version.function_name,
        ":".join([version.function_name, *qualifier]),
        reserved=function is not None and function.reserved_concurrent_executions is not None,
    )


def reported_ms(logs: str | None) -> float | None:
    """The duration that the function's REPORT line tells: without init, without waiting."""
    found = _DURATION.search(logs or "")
    return float(found[1]) if found else None
