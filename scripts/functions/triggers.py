"""What invokes a function: read from one word, wired through the public API."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.roles import when_known

FORMS = (
    "s3://BUCKET[/PREFIX][*.SUFFIX], sqs:QUEUE, url or schedule:'rate(5 minutes)' "
    "(also schedule:'cron(0 9 * * ? *)')"
)
S3 = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<rest>[/*].*)?")
QUEUE = re.compile(r"sqs:(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)")
SCHEDULE = re.compile(r"schedule:(?P<expression>(?:rate|cron)\(.+\))")


class UnknownTrigger(LabError):
    """A trigger's word that means none."""


class TriggerRefused(LabError):
    """What exists already does not go together with the trigger."""


@dataclass(frozen=True)
class Target:
    """The function that a trigger invokes."""

    name: str
    arn: str
    timeout_s: int


class Trigger(Protocol):
    def source(self, switch: Switch) -> str | None:
        """The ARN of what the function reads for it."""

    def wire(self, switch: Switch, target: Target, progress: Progress) -> None:
        """Make it invoke the function; what is wired already stays as it is."""


def parse_trigger(text: str) -> Trigger:
    """The trigger that a word means.

    Raises
    ------
    UnknownTrigger
    """
    text = text.strip()
    if match := S3.fullmatch(text):
        prefix, _, suffix = (match["rest"] or "").removeprefix("/").partition("*")
        if "*" in suffix:
            raise UnknownTrigger(f"{text}: S3 knows one prefix and one suffix", f"e.g. {FORMS}")
        return BucketTrigger(match["bucket"], prefix, suffix)
    if match := QUEUE.fullmatch(text):
        return QueueTrigger(match["name"])
    if text == "url":
        return UrlTrigger()
    if match := SCHEDULE.fullmatch(text):
        return ScheduleTrigger(match["expression"])
    raise UnknownTrigger(f"TRIGGER={text} is not understood", f"there are {FORMS}")


@dataclass(frozen=True)
class BucketTrigger:
    """Objects that are created in a bucket, with keys of this prefix and suffix."""

    bucket: str
    prefix: str = ""
    suffix: str = ""

    def source(self, switch: Switch) -> str:
        return f"arn:{_partition(switch)}:s3:::{self.bucket}"

    def wire(self, switch: Switch, target: Target, progress: Progress) -> None:
        s3 = switch.client("s3")
        make_bucket(switch, self.bucket, progress)
        _permit(
            switch,
            target,
            f"s3-{self.bucket.replace('.', '_')}",
            Principal="s3.amazonaws.com",
            SourceArn=self.source(switch),
            SourceAccount=switch.account,
        )
        found = s3.get_bucket_notification_configuration(Bucket=self.bucket)
        found.pop("ResponseMetadata", None)
        own = f"facelab-{target.name}-{_short(self.prefix, self.suffix)}"
        kept = [one for one in found.get("LambdaFunctionConfigurations", ()) if one["Id"] != own]
        rules = [
            {"Name": name, "Value": value}
            for name, value in (("prefix", self.prefix), ("suffix", self.suffix))
            if value
        ]
        wanted = {
            "Id": own,
            "LambdaFunctionArn": target.arn,
            "Events": ["s3:ObjectCreated:*"],
            **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}),
        }
        try:
            s3.put_bucket_notification_configuration(
                Bucket=self.bucket,
                NotificationConfiguration={
                    **found,
                    "LambdaFunctionConfigurations": [*kept, wanted],
                },
            )
        except ClientError as error:
            raise TriggerRefused(
                f"s3://{self.bucket} does not take the notification: "
                f"{error.response['Error']['Message']}",
                "two notifications may not have overlapping prefix and suffix",
            ) from error
        progress(f"objects in s3://{self.bucket}/{self.prefix}*{self.suffix} invoke {target.name}")


@dataclass(frozen=True)
class QueueTrigger:
    """Messages of a queue, in batches."""

    queue: str

    def source(self, switch: Switch) -> str:
        return f"arn:{_partition(switch)}:sqs:{switch.region_name}:{switch.account}:{self.queue}"

    def wire(self, switch: Switch, target: Target, progress: Progress) -> None:
        sqs, client = switch.client("sqs"), switch.client("lambda")
        url = make_queue(switch, self.queue, target.timeout_s, progress)
        attributes = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["QueueArn", "VisibilityTimeout"]
        )["Attributes"]
        if int(attributes["VisibilityTimeout"]) < target.timeout_s:
            raise TriggerRefused(
                f"queue {self.queue} shows a message again after "
                f"{attributes['VisibilityTimeout']} s, while {target.name} may still work on it "
                f"(timeout {target.timeout_s} s)",
                "a smaller TIMEOUT=, or a longer visibility timeout of the queue",
            )
        if not any(_mappings(client, target, EventSourceArn=attributes["QueueArn"])):
            when_known(
                lambda: client.create_event_source_mapping(
                    FunctionName=target.name,
                    EventSourceArn=attributes["QueueArn"],
                    FunctionResponseTypes=["ReportBatchItemFailures"],
                )
            )
        progress(f"messages of queue {self.queue} invoke {target.name}")


@dataclass(frozen=True)
class UrlTrigger:
    """Requests to an address of the function's own, from anybody."""

    def source(self, switch: Switch) -> None:
        return None

    def wire(self, switch: Switch, target: Target, progress: Progress) -> None:
        client = switch.client("lambda")
        try:
            url = client.get_function_url_config(FunctionName=target.name)["FunctionUrl"]
        except client.exceptions.ResourceNotFoundException:
            url = client.create_function_url_config(FunctionName=target.name, AuthType="NONE")[
                "FunctionUrl"
            ]
        _permit(
            switch,
            target,
            "url",
            Action="lambda:InvokeFunctionUrl",
            Principal="*",
            FunctionUrlAuthType="NONE",
        )
        progress(f"requests to {url} invoke {target.name}; anybody may send them")


@dataclass(frozen=True)
class ScheduleTrigger:
    """The clock, by EventBridge."""

    expression: str
    rule_prefix: ClassVar[str] = "facelab-function-"

    def source(self, switch: Switch) -> None:
        return None

    def wire(self, switch: Switch, target: Target, progress: Progress) -> None:
        events = switch.client("events")
        name = rule_name(target.name)
        try:
            rule = events.put_rule(Name=name, ScheduleExpression=self.expression, State="ENABLED")
        except ClientError as error:
            raise TriggerRefused(
                f"{self.expression}: {error.response['Error']['Message']}",
                "rate(1 minute), rate(5 minutes), cron(0 9 * * ? *)",
            ) from error
        _permit(
            switch,
            target,
            "schedule",
            Principal="events.amazonaws.com",
            SourceArn=rule["RuleArn"],
        )
        events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": target.arn}])
        progress(f"{self.expression} invokes {target.name}")


def rule_name(function: str) -> str:
    """The name of a function's rule, at most 64 characters long."""
    name = ScheduleTrigger.rule_prefix + function
    return name if len(name) <= 64 else f"{name[:54]}-{_short(name)}"


def make_bucket(switch: Switch, bucket: str, progress: Progress) -> None:
    s3 = switch.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
        return
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "403":
            raise TriggerRefused(
                f"bucket {bucket} belongs to somebody else", "bucket names are global: take another"
            ) from error
        if code not in ("404", "NoSuchBucket"):
            raise
    region = switch.region_name
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else where))
    progress(f"made bucket {bucket}")


def make_queue(switch: Switch, queue: str, timeout_s: int, progress: Progress) -> str:
    """Its URL. A new one hides a message for six times the function's timeout, as AWS advises."""
    sqs = switch.client("sqs")
    try:
        return sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        pass
    attributes = {"VisibilityTimeout": str(min(6 * timeout_s, 43_200))}
    if queue.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    progress(f"made queue {queue}")
    return sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]


def unwire(switch: Switch, target: Target, progress: Progress) -> None:
    """Take away what invokes the function. Buckets and queues stay: they may hold something."""
    client = switch.client("lambda")
    for mapping in list(_mappings(client, target)):
        client.delete_event_source_mapping(UUID=mapping["UUID"])
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_function_url_config(FunctionName=target.name)
    events = switch.client("events")
    with contextlib.suppress(events.exceptions.ResourceNotFoundException):
        events.remove_targets(Rule=rule_name(target.name), Ids=["function"])
        events.delete_rule(Name=rule_name(target.name))
    s3 = switch.client("s3")
    for bucket in _notifying(switch, target):
        found = s3.get_bucket_notification_configuration(Bucket=bucket)
        found.pop("ResponseMetadata", None)
        mine = [
            one
            for one in found.get("LambdaFunctionConfigurations", ())
            if one["LambdaFunctionArn"] == target.arn
        ]
        if mine:
            kept = [one for one in found["LambdaFunctionConfigurations"] if one not in mine]
            s3.put_bucket_notification_configuration(
                Bucket=bucket,
                NotificationConfiguration={**found, "LambdaFunctionConfigurations": kept},
            )
            progress(f"s3://{bucket} invokes {target.name} no more")


def describe(switch: Switch, target: Target) -> Iterator[str]:
    """What invokes the function, in the words that wire it."""
    client = switch.client("lambda")
    s3 = switch.client("s3")
    for bucket in _notifying(switch, target):
        found = s3.get_bucket_notification_configuration(Bucket=bucket)
        for one in found.get("LambdaFunctionConfigurations", ()):
            if one["LambdaFunctionArn"] == target.arn:
                rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", ())
                values = {rule["Name"].lower(): rule["Value"] for rule in rules}
                suffix = f"*{values['suffix']}" if "suffix" in values else ""
                prefix = f"/{values['prefix']}" if "prefix" in values else ""
                yield f"s3://{bucket}{prefix}{suffix}"
    for mapping in _mappings(client, target):
        yield f"sqs:{mapping['EventSourceArn'].rpartition(':')[2]}"
    with contextlib.suppress(client.exceptions.ResourceNotFoundException):
        yield client.get_function_url_config(FunctionName=target.name)["FunctionUrl"]
    events = switch.client("events")
    of_target = "list_rule_names_by_target", "RuleNames"
    for name in every(events, *of_target, TargetArn=target.arn):
        yield f"schedule:{events.describe_rule(Name=name).get('ScheduleExpression', name)}"


def _mappings(client: Any, target: Target, **asked: str) -> Iterator[dict[str, Any]]:
    of_function = {"FunctionName": target.name, **asked}
    return every(client, "list_event_source_mappings", "EventSourceMappings", **of_function)


def _notifying(switch: Switch, target: Target) -> Iterator[str]:
    """Buckets that may invoke the function, by its own policy: S3 can't be asked."""
    client = switch.client("lambda")
    try:
        policy = json.loads(client.get_policy(FunctionName=target.name)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return
    s3 = switch.client("s3")
    for statement in policy["Statement"]:
        conditions = statement.get("Condition", {})
        arn = next(
            (
                value
                for operator in conditions.values()
                for name, value in operator.items()
                if name.lower() == "aws:sourcearn" and ":s3:::" in value
            ),
            "",
        )
        bucket = arn.rpartition(":")[2]
        with contextlib.suppress(ClientError):
            if bucket:
                s3.head_bucket(Bucket=bucket)
                yield bucket


def _permit(switch: Switch, target: Target, statement: str, **permission: Any) -> None:
    client = switch.client("lambda")
    with contextlib.suppress(client.exceptions.ResourceConflictException):
        client.add_permission(
            FunctionName=target.name,
            StatementId=f"facelab-{statement}"[:100],
            **{"Action": "lambda:InvokeFunction", **permission},
        )


def _partition(switch: Switch) -> str:
    return switch.client("sqs").meta.partition


def _short(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]
