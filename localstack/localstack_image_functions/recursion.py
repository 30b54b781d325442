"""Loops of functions with themselves end, as on AWS.

What a function calls carries its trace in a header (AWS's SDKs see to that), and in the trace
stands how often each function ran on the way here: its lineage. A function that has run so often
that this is a loop does not run again, unless its RecursiveLoop is `Allow`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

LOG = logging.getLogger(__name__)

MOST_IN_A_CHAIN = 16
TRACE = "aws_trace_header"
_BETWEEN, _COUNT, _NAME = "|", ":", "Lineage="
_arriving = threading.local()


def with_one_more(lineage: str | None, arn: str) -> str:
    """The lineage of the function's next invocation."""
    ran = _read(lineage)
    ran[_mark(arn)] = ran.get(_mark(arn), 0) + 1
    return _written(ran)


def is_loop(lineage: str | None, arn: str) -> bool:
    """Whether the function has run too often on the way here."""
    return _read(lineage).get(_mark(arn), 0) >= MOST_IN_A_CHAIN


def lineage_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """That of a batch of a queue: of each function the longest."""
    longest: dict[str, int] = {}
    for message in messages:
        trace = (message.get("Attributes") or {}).get("AWSTraceHeader") or ""
        lineage = next((one for one in trace.split(";") if one.startswith(_NAME)), _NAME)
        for mark, count in _read(lineage.removeprefix(_NAME)).items():
            longest[mark] = max(count, longest.get(mark, 0))
    return _written(longest)


@contextlib.contextmanager
def arriving_with(lineage: str) -> Iterator[None]:
    """Whatever this thread invokes has this lineage, unless it brings one of its own."""
    _arriving.lineage = lineage
    try:
        yield
    finally:
        _arriving.lineage = None


@functools.lru_cache(maxsize=1024)
def _mark(arn: str) -> str:
    """What stands for a function in lineages."""
    return hashlib.sha256(arn.encode()).hexdigest()[:8]


def _read(lineage: str | None) -> dict[str, int]:
    """How often each function ran, by its mark; what can't be read says nothing."""
    found = {}
    for part in (lineage or "").split(_BETWEEN):
        mark, _, count = part.partition(_COUNT)
        if mark and count.isdecimal():
            found[mark] = int(count)
    return found


def _written(ran: Mapping[str, int]) -> str:
    return _BETWEEN.join(f"{mark}{_COUNT}{count}" for mark, count in ran.items())


def end_loops() -> None:
    """Let every invocation be counted, and refused where it is a loop."""
    from localstack.aws.api.lambda_ import RecursiveInvocationException, RecursiveLoop
    from localstack.services.lambda_.api_utils import unqualified_lambda_arn
    from localstack.services.lambda_.invocation.lambda_service import LambdaService
    from localstack.services.lambda_.invocation.models import lambda_stores
    from localstack.utils.xray.trace_header import TraceHeader

    original = LambdaService.invoke

    @functools.wraps(original)
    def invoke(self: Any, **asked: Any) -> Any:
        name, account, region = asked["function_name"], asked["account_id"], asked["region"]
        function = lambda_stores[account][region].functions.get(name)
        traced = asked.get("trace_context") or {}
        header = traced.get(TRACE) or TraceHeader()
        arn = unqualified_lambda_arn(name, account, region)
        may_loop = function is None or function.recursive_loop == RecursiveLoop.Allow
        lineage = header.lineage or getattr(_arriving, "lineage", None)
        if is_loop(lineage, arn) and not may_loop:
            LOG.warning(
                "%s ran %d times in one chain of invocations: the next is dropped; "
                "put-function-recursion-config lets a loop go on",
                arn,
                MOST_IN_A_CHAIN,
            )
            if asked.get("invocation_type") == "Event":
                _hand_over(self, function, asked)
            raise RecursiveInvocationException(_SAYS.format(arn), Type="User")
        next_header = TraceHeader(
            root=header.root,
            parent=header.parent,
            sampled=_sampled(header.sampled, function, asked.get("qualifier")),
            data=header.data,
            lineage=with_one_more(lineage, arn),
        )
        asked["trace_context"] = {**traced, TRACE: next_header.ensure_root_exists()}
        return original(self, **asked)

    ensure = TraceHeader.ensure_sampled_exists

    @functools.wraps(ensure)
    def ensure_sampled_exists(self: Any, sampled: Any = None) -> Any:
        """LocalStack samples whatever was decided."""
        return ensure(self, self.sampled if sampled is None else sampled)

    LambdaService.invoke = invoke
    TraceHeader.ensure_sampled_exists = ensure_sampled_exists


_SAYS = "The function {} was invoked in a recursive loop."


def _sampled(given: Any, function: Any, qualifier: str | None) -> Any:
    """What whoever invokes has decided; of a function that is not traced itself, that it is not."""
    if given is not None or function is None:
        return given
    version = function.versions.get(qualifier or "$LATEST") or function.latest()
    return None if version.config.tracing_config_mode == "Active" else 0


def _hand_over(service: Any, function: Any, asked: Mapping[str, Any]) -> None:
    """Send a dropped event to where the function's failures go, and to its dead letters."""
    from localstack.services.lambda_.api_utils import qualified_lambda_arn
    from localstack.services.lambda_.invocation.event_manager import SQSInvocation
    from localstack.services.lambda_.invocation.lambda_models import Invocation, InvocationResult

    name, account, region = asked["function_name"], asked["account_id"], asked["region"]
    alias = function.aliases.get(asked.get("qualifier"))
    version = alias.function_version if alias else asked.get("qualifier") or "$LATEST"
    arn = qualified_lambda_arn(name, version, account, region)
    event = SQSInvocation(
        Invocation(
            payload=asked["payload"] or b"{}",
            invoked_arn=arn,
            client_context=asked.get("client_context"),
            invocation_type="Event",
            invoke_time=datetime.now(),
            request_id=asked["request_id"],
            trace_context=asked.get("trace_context") or {},
            user_agent=None,
        ),
        retries=-1,  # it was never tried
    )
    said = {"errorType": "RecursiveInvocationException", "errorMessage": _SAYS.format(arn)}
    result = InvocationResult(
        request_id=asked["request_id"], payload=json.dumps(said).encode(), is_error=True, logs=None
    )
    try:
        poller = service.get_lambda_event_manager(arn).poller
        invoked = function.event_invoke_configs.get(version)
        poller.process_failure_destination(event, result, invoked, "RecursiveInvocation")
        poller.process_dead_letter_queue(event, result)
    except Exception as error:  # whatever a deleted function or target raises
        LOG.warning("the dropped event of %s went nowhere: %s", arn, error)


def carry_through_topics() -> None:
    """Let what a topic invokes have the lineage of whoever published."""
    from localstack.services.sns.publisher import TopicPublisher
    from localstack.utils.xray.trace_header import TraceHeader

    publish = TopicPublisher.publish

    @functools.wraps(publish)
    def published(self: Any, context: Any, subscriber: Any) -> None:
        header = context.request_headers.get("X-Amzn-Trace-Id")
        with arriving_with(TraceHeader.from_header_str(header).lineage or ""):
            publish(self, context, subscriber)

    TopicPublisher.publish = published
