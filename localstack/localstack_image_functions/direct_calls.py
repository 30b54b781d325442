"""Calls from service to service that happen for each invocation, without a request.

LocalStack's services call each other as clients do: a request is checked, written, signed, parsed
and dispatched, the answer written and parsed, all in one process. For the S3 event that invokes a
function and for the function's log lines that was two fifths of the emulator's work.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from localstack.aws.connect import connect_to
from localstack.services.lambda_.invocation import logs as invocation_logs
from localstack.services.plugins import SERVICE_PLUGINS
from localstack.services.s3.notifications import LambdaNotifier
from localstack.utils.aws.arns import parse_arn
from localstack.utils.xray.trace_header import TraceHeader
from moto.logs.exceptions import ResourceNotFoundException

from localstack_image_functions.metrics.store import Owner

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.logs import LogHandler, LogItem

LOG = logging.getLogger(__name__)


def call_directly() -> None:
    """Let S3 hand its events to Lambda, and Lambda its functions' lines to Logs, as they are."""
    LambdaNotifier.notify = _notify
    invocation_logs.LogHandler.run_log_loop = _run_log_loop


def _notify(self: LambdaNotifier, ctx: Any, config: Any) -> None:
    event, arn = self._get_event_payload(ctx, config.get("Id")), config["LambdaFunctionArn"]
    try:
        lineage = TraceHeader.from_header_str(ctx.xray).lineage
        _invoke_later(arn, json.dumps(event).encode(), lineage)
    except Exception as error:  # as upstream: whoever wrote the object is not told
        LOG.error("S3 bucket %s could not tell %s of an event: %s", ctx.bucket_name, arn, error)


def _invoke_later(arn: str, event: bytes, lineage: str | None) -> None:
    """An asynchronous invocation, as `Invoke` with the type `Event` makes it.

    `lineage` is of whoever wrote the object, which may be the same function (see `recursion`).
    """
    told = parse_arn(arn)
    name, _, qualifier = told["resource"].removeprefix("function:").partition(":")
    SERVICE_PLUGINS.require("lambda")
    service = SERVICE_PLUGINS.get_service("lambda")._provider.lambda_service
    service.invoke(
        function_name=name,
        qualifier=qualifier or None,
        region=told["region"],
        account_id=told["account"],
        invocation_type="Event",
        client_context=None,
        request_id=str(uuid.uuid4()),
        trace_context={"aws_trace_header": TraceHeader(lineage=lineage).ensure_root_exists()},
        payload=event,
    )


def _run_log_loop(self: LogHandler, *_: Any, **__: Any) -> None:
    from localstack_image_functions.logs.provider import write_events

    account = parse_arn(self.role_arn)["account"]
    owner = Owner(account, self.region)
    client = connect_to(aws_access_key_id=account, region_name=self.region).logs
    SERVICE_PLUGINS.require("logs")
    while not self._shutdown_event.is_set():
        item = self.log_queue.get()
        if isinstance(item, invocation_logs.ShutdownPill):
            return
        events = _events(item.logs)
        if not events:
            continue
        try:
            try:
                write_events(owner, item.log_group, item.log_stream, events)
            except ResourceNotFoundException:
                _make_stream(client, item)
                write_events(owner, item.log_group, item.log_stream, events)
        except Exception as error:
            LOG.warning("logs of %s could not be kept: %s", item.log_group, error)


def _events(text: str) -> list[dict[str, Any]]:
    """Its lines; all have the time at which the invocation was over."""
    now_ms = int(time.time() * 1000)
    return [{"timestamp": now_ms, "message": line + "\n"} for line in text.split("\n") if line]


def _make_stream(client: Any, item: LogItem) -> None:
    with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_group(logGroupName=item.log_group)
    with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_stream(logGroupName=item.log_group, logStreamName=item.log_stream)
