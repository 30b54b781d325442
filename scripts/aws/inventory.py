"""What of the lab exists in the account: each resource asked for by its own service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from scripts.console import Progress
from scripts.provision.devices import device_ids
from scripts.provision.stacks import Stacks

GONE = {
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchEntity",
    "QueueDoesNotExist",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
}


@dataclass(frozen=True)
class Resource:
    """Something that exists. `state` is its service's word for how it is."""

    kind: str
    name: str
    state: str


def inventory(switch: Switch) -> list[Resource]:
    """Everything of this lab that exists, stacks first."""
    return list(_existing(switch))


def _existing(switch: Switch) -> Iterator[Resource]:
    names, quiet = switch.names, Progress(quiet=True)
    stacks = Stacks(switch, quiet)
    devices = device_ids(switch, quiet)
    for name in (names.stack, *(names.device_stack(one) for one in devices)):
        if status := stacks.status(name):
            yield Resource("stack", name, status)
    for kind, name, ask in _lookups(switch):
        try:
            yield Resource(kind, name, ask())
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
        except LookupError:
            continue
    yield from _queues(switch)


def _lookups(switch: Switch) -> list[tuple[str, str, Callable[[], str]]]:
    """(kind, name, a call that gives the state or fails with "not found")."""
    names = switch.names
    clients: dict[str, Any] = {
        service: switch.client(service) for service in ("s3", "lambda", "ecr", "dynamodb", "logs")
    }

    def bucket() -> str:
        clients["s3"].head_bucket(Bucket=switch.bucket)
        page = clients["s3"].list_objects_v2(Bucket=switch.bucket)
        more = "at least " if page["IsTruncated"] else ""
        return f"{more}{page['KeyCount']} objects"

    def function(name: str) -> Callable[[], str]:
        return lambda: clients["lambda"].get_function(FunctionName=name)["Configuration"]["State"]

    def repository() -> str:
        asked = {"repositoryName": names.repository}
        images = list(every(clients["ecr"], "describe_images", "imageDetails", **asked))
        size_mb = sum(image.get("imageSizeInBytes", 0) for image in images) / 1e6
        return f"{len(images)} images, {size_mb:.0f} MB"

    def table(name: str) -> Callable[[], str]:
        return lambda: clients["dynamodb"].describe_table(TableName=name)["Table"]["TableStatus"]

    def log_group(name: str) -> Callable[[], str]:
        return lambda: _log_group(clients["logs"], name)

    return [
        ("bucket", switch.bucket, bucket),
        ("function", names.function, function(names.function)),
        ("function", names.reconciler, function(names.reconciler)),
        ("repository", names.repository, repository),
        ("table", names.people_table, table(names.people_table)),
        ("table", names.ledger_table, table(names.ledger_table)),
        ("log group", names.log_group, log_group(names.log_group)),
        ("log group", names.reconciler_log_group, log_group(names.reconciler_log_group)),
    ]


def _log_group(logs: Any, name: str) -> str:
    groups = every(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    found = [group for group in groups if group["logGroupName"] == name]
    if not found:
        raise LookupError(name)
    days = found[0].get("retentionInDays")
    kept = f"{days} days" if days else "for ever"
    return f"{found[0].get('storedBytes', 0) / 1e6:.1f} MB, kept {kept}"


def _queues(switch: Switch) -> Iterator[Resource]:
    """Our queues: those of the stack and one for each device, known or left behind."""
    names, sqs = switch.names, switch.client("sqs")
    results = names.result_queues
    stack_s = (names.dead_letters, names.events_queue, names.failed_events)
    waiting = "ApproximateNumberOfMessages"
    for url in every(sqs, "list_queues", "QueueUrls", QueueNamePrefix=f"{names.prefix}-"):
        name = url.rpartition("/")[2]
        if name not in stack_s and not name.startswith(results):
            continue
        try:
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waiting])
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                continue  # a deleted queue is listed for up to a minute
            raise
        yield Resource("queue", name, f"{answer['Attributes'][waiting]} messages")
