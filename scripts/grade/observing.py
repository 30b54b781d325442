"""What the cloud says of a student's account: its functions, queues, buckets and metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from scripts.functions.deployment import log_group
from scripts.functions.triggers import Target, describe
from scripts.grade.course import Course
from scripts.grade.seen import FunctionSeen

COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def functions_seen(
    switch: Switch, course: Course, troubles: Mapping[str, str]
) -> dict[str, FunctionSeen]:
    """Each function of the course, as `get_function` describes it."""
    client = switch.client("lambda")
    found = {}
    for step in course.functions:
        trouble = troubles.get(step.name, "")
        try:
            one = client.get_function(FunctionName=step.name)
        except client.exceptions.ResourceNotFoundException:
            found[step.name] = FunctionSeen(step.name, trouble=trouble)
            continue
        configuration, code = one["Configuration"], one["Code"]
        target = Target(step.name, configuration["FunctionArn"], configuration["Timeout"])
        found[step.name] = FunctionSeen(
            step.name,
            configuration["State"],
            code.get("ResolvedImageUri") or code.get("ImageUri") or configuration["CodeSha256"],
            tuple(describe(switch, target)),
            trouble,
        )
    return found


def at_first(switch: Switch, course: Course) -> dict[str, int | None]:
    """How many objects each bucket and messages each queue holds; None where there is none."""
    s3, sqs = switch.client("s3"), switch.client("sqs")
    found: dict[str, int | None] = {}
    for bucket in course.buckets:
        found[bucket] = None
        with contextlib.suppress(ClientError):
            found[bucket] = sum(1 for _ in every(s3, "list_objects_v2", "Contents", Bucket=bucket))
    for queue in course.queues:
        found[queue] = None
        with contextlib.suppress(ClientError):
            url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))
            found[queue] = sum(int(counts["Attributes"][name]) for name in COUNTS)
    return found


def with_metrics(
    switch: Switch, functions: Mapping[str, FunctionSeen], since: datetime
) -> dict[str, FunctionSeen]:
    """The functions with what CloudWatch counted of them since then."""
    return {
        name: replace(seen, **_metrics(switch, name, since)) for name, seen in functions.items()
    }


def limit(switch: Switch) -> int:
    """How many functions may run at a time."""
    settings = switch.client("lambda").get_account_settings()
    return int(settings["AccountLimit"]["ConcurrentExecutions"])


def _metrics(switch: Switch, name: str, since: datetime) -> dict[str, Any]:
    cloudwatch = switch.client("cloudwatch")
    asked = {
        "invocations": ("Invocations", "Sum"),
        "errors": ("Errors", "Sum"),
        "spent_ms": ("Duration", "Sum"),
        "concurrency": ("ConcurrentExecutions", "Maximum"),
    }
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {
                "Id": key,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": metric,
                        "Dimensions": [{"Name": "FunctionName", "Value": name}],
                    },
                    "Period": 1,  # or the minute before counts, too
                    "Stat": stat,
                },
            }
            for key, (metric, stat) in asked.items()
        ],
        StartTime=since,
        EndTime=datetime.now(UTC) + timedelta(seconds=5),
    )
    values = {one["Id"]: one["Values"] for one in answer["MetricDataResults"]}
    invocations = int(sum(values["invocations"]))
    return {
        "invocations": invocations,
        "errors": int(sum(values["errors"])),
        "duration_ms": sum(values["spent_ms"]) / invocations if invocations else None,
        "concurrency": int(max(values["concurrency"], default=0)),
        "cold_starts": _environments(switch, name),
    }


def _environments(switch: Switch, name: str) -> int:
    """How many environments wrote a log: each has a stream of its own."""
    logs = switch.client("logs")
    try:
        group = log_group(name)
        return sum(1 for _ in every(logs, "describe_log_streams", "logStreams", logGroupName=group))
    except logs.exceptions.ResourceNotFoundException:
        return 0
