"""What exists in the cloud and what it did lately, read-only, each with the command that shows it.

It asks many services, whose clients are large: the server leaves it to `cloud_worker`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from contract.names import GALLERY_KEY
from scripts.cloud_errors import says_not_there
from scripts.functions.using import listed
from scripts.lab.queues import waiting

MOST_COUNTED = 10_000
LAST_LINES = 12
HOUR = timedelta(hours=1)
# CloudWatch counts in whole minutes: the last one may not have ended.
BUSY = timedelta(minutes=2)
# Lambda keeps an environment for some minutes after its last event.
WARM = timedelta(minutes=5)
MOST_ENVIRONMENTS = 50


class Inventory:
    """`cloud()` and `functions()` are views; `gallery()` tells one gallery from the next."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def gallery(self) -> str:
        """The gallery's ETag; nothing where there is none yet."""
        try:
            found = self._client("s3").head_object(Bucket=self._switch.bucket, Key=GALLERY_KEY)
        except ClientError as error:
            if says_not_there(error):
                return ""
            raise
        return str(found["ETag"])

    def _client(self, service: str) -> Any:
        return self._switch.client(service)

    def cloud(self) -> list[dict[str, Any]]:
        """Every kind of thing in the lab, with the command that shows the same."""
        tool = "aws" if self._switch.is_aws else "awslocal"
        return [
            self._buckets(tool),
            self._all_queues(tool),
            self._tables(tool),
            self._lambdas(tool),
            self._images(tool),
        ]

    def _buckets(self, tool: str) -> dict[str, Any]:
        rows = []
        for one in self._every("s3", "list_buckets", "Buckets"):
            count, size = 0, 0
            pages = (
                self._client("s3")
                .get_paginator("list_objects_v2")
                .paginate(Bucket=one["Name"], PaginationConfig={"MaxItems": MOST_COUNTED})
            )
            for page in pages:
                count += page["KeyCount"]
                size += sum(stored["Size"] for stored in page.get("Contents", ()))
            rows.append((
                one["Name"], _at_most(count, "objects"), f"{size / 1e6:.1f} MB",
                f"{tool} s3 ls --recursive --summarize s3://{one['Name']}",
            ))  # fmt: skip
        return {"title": "Buckets", "command": f"{tool} s3 ls", "rows": rows}

    def _all_queues(self, tool: str) -> dict[str, Any]:
        rows = [
            (
                url.rsplit("/", 1)[-1],
                f"{waiting(self._client('sqs'), url)} messages",
                "",
                f"{tool} sqs get-queue-attributes --attribute-names All --queue-url {url}",
            )
            for url in sorted(self._every("sqs", "list_queues", "QueueUrls"))
        ]
        return {"title": "Queues", "command": f"{tool} sqs list-queues", "rows": rows}

    def _tables(self, tool: str) -> dict[str, Any]:
        rows = []
        for name in self._every("dynamodb", "list_tables", "TableNames"):
            table = self._client("dynamodb").describe_table(TableName=name)["Table"]
            rows.append((
                name, f"{table['ItemCount']} rows", table["TableStatus"].lower(),
                f"{tool} dynamodb scan --table-name {name}",
            ))  # fmt: skip
        return {"title": "Tables", "command": f"{tool} dynamodb list-tables", "rows": rows}

    def _lambdas(self, tool: str) -> dict[str, Any]:
        rows = [
            (
                one["FunctionName"],
                f"version {one['Version']}, {one['MemorySize']} MB",
                f"{one['PackageType'].lower()}, {self._environments(one['FunctionName'])}",
                f"{tool} lambda get-function --function-name {one['FunctionName']}",
            )
            for one in self._every("lambda", "list_functions", "Functions")
        ]
        return {"title": "Functions", "command": f"{tool} lambda list-functions", "rows": rows}

    def _images(self, tool: str) -> dict[str, Any]:
        rows = []
        for one in self._every("ecr", "describe_repositories", "repositories"):
            name = one["repositoryName"]
            images = self._every("ecr", "describe_images", "imageDetails", repositoryName=name)
            for image in images:
                size = image.get("imageSizeInBytes", 0)
                named = (*image.get("imageTags", ()), image["imageDigest"][:19])
                rows.append((
                    name, ", ".join(named), f"{size / 1e6:.0f} MB",
                    f"{tool} ecr describe-images --repository-name {name}",
                ))  # fmt: skip
        return {"title": "Images", "command": f"{tool} ecr describe-repositories", "rows": rows}

    def functions(self) -> list[dict[str, Any]]:
        """Everybody's functions, those of the lab last."""
        names = self._switch.names
        own = (names.function, names.reconciler)
        rows = [
            {
                **asdict(one),
                "is_ours": one.name in own,
                **self._metrics(one.name),
                "last_lines": self._last_lines(one.name),
            }
            for one in listed(self._switch)
        ]
        return sorted(rows, key=lambda row: (row["is_ours"], row["name"]))

    def _every(self, service: str, operation: str, key: str, **asked: Any) -> Iterator[Any]:
        return every(self._client(service), operation, key, **asked)

    def _environments(self, function: str) -> str:
        """How many are warm and busy, by what AWS too tells of them: each writes a log stream of
        its own, and CloudWatch counts how many ran at once."""
        since_ms = (datetime.now(UTC) - WARM).timestamp() * 1000
        streams = self._streams(function, MOST_ENVIRONMENTS)
        warm = sum(one.get("lastEventTimestamp", 0) >= since_ms for one in streams)
        busy = self._measured(function, BUSY, (("busy", "ConcurrentExecutions", "Maximum"),))
        return f"{warm} environments warm, {busy['busy'] or 0:.0f} busy"

    def _metrics(self, function: str) -> dict[str, float | None]:
        wanted = (
            ("invocations", "Invocations", "Sum"),
            ("errors", "Errors", "Sum"),
            ("duration_ms", "Duration", "Average"),
            ("concurrency", "ConcurrentExecutions", "Maximum"),
        )
        return self._measured(function, HOUR, wanted)

    def _measured(
        self, function: str, span: timedelta, wanted: Sequence[tuple[str, str, str]]
    ) -> dict[str, float | None]:
        """Of the last `span`: by name, a metric's statistic."""
        now = datetime.now(UTC)
        answer = self._client("cloudwatch").get_metric_data(
            StartTime=now - span,
            EndTime=now + timedelta(minutes=1),
            MetricDataQueries=[
                {
                    "Id": name,
                    "MetricStat": {
                        "Metric": {
                            "Namespace": "AWS/Lambda",
                            "MetricName": metric,
                            "Dimensions": [{"Name": "FunctionName", "Value": function}],
                        },
                        "Period": 7200,
                        "Stat": stat,
                    },
                }
                for name, metric, stat in wanted
            ],
        )
        values = {one["Id"]: one["Values"] for one in answer["MetricDataResults"]}
        first = {name: next(iter(values.get(name, ())), None) for name, *_ in wanted}
        return {name: None if one is None else round(one, 1) for name, one in first.items()}

    def _streams(self, function: str, most: int) -> list[dict[str, Any]]:
        """Its log streams, the newest first; none where it has said nothing yet."""
        logs = self._client("logs")
        try:
            found: list[dict[str, Any]] = logs.describe_log_streams(
                logGroupName=f"/aws/lambda/{function}",
                orderBy="LastEventTime",
                descending=True,
                limit=most,
            )["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return found

    def _last_lines(self, function: str) -> list[str]:
        streams = self._streams(function, 1)
        if not streams:
            return []
        events = self._client("logs").get_log_events(
            logGroupName=f"/aws/lambda/{function}",
            logStreamName=streams[0]["logStreamName"],
            startFromHead=False,
            limit=LAST_LINES,
        )["events"]
        return [event["message"].rstrip("\n")[:500] for event in events]


def _at_most(count: int, what: str) -> str:
    return f"{count} {what}" if count < MOST_COUNTED else f"{count} {what} or more"
