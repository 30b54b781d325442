"""Empty a student's account of the emulator: whatever lies in it, by the public API."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError


class NotAStudents(LabError):
    """An account that holds more than a student's work."""


def empty_account(switch: Switch, progress: Progress) -> None:
    """Remove functions, triggers, buckets, queues, tables, roles, images and logs.

    Raises
    ------
    NotAStudents
        For the lab's own account, and on AWS.
    """
    if switch.is_aws or switch.in_account is None:
        raise NotAStudents("this would empty an account that is no student's")
    gone = sum(step(switch) for step in (_mappings, _rules, _functions, _buckets))
    gone += sum(step(switch) for step in (_queues, _tables, _roles, _repositories, _logs))
    progress(f"account {switch.in_account}: {f'{gone} things removed' if gone else 'empty'}")


def _each(things: list[Any], remove: Callable[[Any], Any]) -> int:
    """Remove all; one that went meanwhile is gone as well."""
    for thing in things:
        with contextlib.suppress(ClientError):
            remove(thing)
    return len(things)


def _mappings(switch: Switch) -> int:
    client = switch.client("lambda")
    found = [
        one["UUID"]
        for one in every(client, "list_event_source_mappings", "EventSourceMappings")
        if one["State"] != "Deleting"
    ]
    return _each(found, lambda one: client.delete_event_source_mapping(UUID=one))


def _rules(switch: Switch) -> int:
    client = switch.client("events")

    def remove(name: str) -> None:
        targets = [one["Id"] for one in every(client, "list_targets_by_rule", "Targets", Rule=name)]
        if targets:
            client.remove_targets(Rule=name, Ids=targets)
        client.delete_rule(Name=name)

    return _each([one["Name"] for one in every(client, "list_rules", "Rules")], remove)


def _functions(switch: Switch) -> int:
    client = switch.client("lambda")
    found = [one["FunctionName"] for one in every(client, "list_functions", "Functions")]
    return _each(found, lambda one: client.delete_function(FunctionName=one))


def _buckets(switch: Switch) -> int:
    client = switch.client("s3")

    def remove(bucket: str) -> None:
        keys = [one["Key"] for one in every(client, "list_objects_v2", "Contents", Bucket=bucket)]
        for start in range(0, len(keys), 1000):
            doomed = [{"Key": key} for key in keys[start : start + 1000]]
            client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        client.delete_bucket(Bucket=bucket)

    return _each([one["Name"] for one in every(client, "list_buckets", "Buckets")], remove)


def _queues(switch: Switch) -> int:
    client = switch.client("sqs")
    found = list(every(client, "list_queues", "QueueUrls"))
    return _each(found, lambda one: client.delete_queue(QueueUrl=one))


def _tables(switch: Switch) -> int:
    client = switch.client("dynamodb")
    found = list(every(client, "list_tables", "TableNames"))
    return _each(found, lambda one: client.delete_table(TableName=one))


def _roles(switch: Switch) -> int:
    client = switch.client("iam")

    def remove(role: str) -> None:
        for name in list(every(client, "list_role_policies", "PolicyNames", RoleName=role)):
            client.delete_role_policy(RoleName=role, PolicyName=name)
        attached = "list_attached_role_policies", "AttachedPolicies"
        for one in list(every(client, *attached, RoleName=role)):
            client.detach_role_policy(RoleName=role, PolicyArn=one["PolicyArn"])
        client.delete_role(RoleName=role)

    return _each([one["RoleName"] for one in every(client, "list_roles", "Roles")], remove)


def _repositories(switch: Switch) -> int:
    client = switch.client("ecr")
    found = [
        one["repositoryName"] for one in every(client, "describe_repositories", "repositories")
    ]
    return _each(found, lambda one: client.delete_repository(repositoryName=one, force=True))


def _logs(switch: Switch) -> int:
    client = switch.client("logs")
    found = [one["logGroupName"] for one in every(client, "describe_log_groups", "logGroups")]
    return _each(found, lambda one: client.delete_log_group(logGroupName=one))
