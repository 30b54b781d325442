"""What is up, what waits where, and what the function said."""

from __future__ import annotations

import time
from typing import Any

from cloud.listing import every
from cloud.switch import Switch
from scripts.lab.backends import Backend
from scripts.lab.kept import KeptState
from scripts.lab.memory import memory_mb
from scripts.lab.queues import device_queues, waiting

ERRORS_OF_S = 86_400
# Terms, on AWS and here: what Python's logging and Lambda write of an error.
ERRORS_PATTERN = '?"[ERROR]" ?"Task timed out" ?"Runtime.ExitError"'


def status(switch: Switch, backend: Backend) -> dict[str, Any]:
    facts: dict[str, Any] = {"backend": backend.name, **backend.describe()}
    if facts["emulator"] != "up":
        return facts
    names = switch.names
    function = switch.client("lambda").get_function(FunctionName=names.function)
    sqs = switch.client("sqs")

    def depth(queue: str) -> int:
        return waiting(sqs, sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    s3, dynamodb = switch.client("s3"), switch.client("dynamodb")
    kept = KeptState.of(switch)
    return facts | {
        "function": function["Configuration"]["State"],
        "image": function["Code"]["ImageUri"],
        "bucket": switch.bucket,
        "clips": _total(s3, "list_objects_v2", "KeyCount", Bucket=switch.bucket, Prefix="clips/"),
        "people": _total(dynamodb, "scan", "Count", TableName=names.people_table, Select="COUNT"),
        "device": switch.device_id,
        "devices": {one: waiting(sqs, url) for one, url in device_queues(sqs, names).items()},
        "functions": _functions(switch),
        "last_error": _last_error(switch),
        "results_waiting": depth(names.result_queue(switch.device_id)),
        "dead_letters": depth(names.dead_letters),
        "memory_mb": memory_mb(backend.processes()),
        "state_mb": kept.size_mb if kept.kept else None,
        "warnings": kept.warnings,
    }


def _total(client: Any, call: str, field: str, **asked: Any) -> int:
    """Over all pages: the first alone stops at a thousand keys, or at a megabyte of rows."""
    return sum(page[field] for page in client.get_paginator(call).paginate(**asked))


def _functions(switch: Switch) -> list[str]:
    functions = every(switch.client("lambda"), "list_functions", "Functions")
    return sorted(one["FunctionName"] for one in functions)


def _last_error(switch: Switch) -> str | None:
    """The newest line of an error in the function's log of a day, without what follows it."""
    pages = (
        switch.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=switch.names.log_group,
            startTime=int((time.time() - ERRORS_OF_S) * 1000),
            filterPattern=ERRORS_PATTERN,
        )
    )
    found = [event["message"] for page in pages for event in page["events"]]
    return found[-1].strip().splitlines()[0][:300] if found else None
