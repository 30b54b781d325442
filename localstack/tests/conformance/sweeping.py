"""Removes what a run has made: everything whose name begins with the run's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from conformance.running import Endpoint


def sweep(endpoint: Endpoint) -> list[str]:
    """Delete it; returns what could not be deleted, each with the reason.

    A service that an endpoint does not have has nothing to delete.
    """
    left = []
    for service, names, delete in _KINDS:
        try:
            client = endpoint.client(service)
            found = [name for name in names(client, endpoint.run) if endpoint.run in name]
        except (ClientError, BotoCoreError, KeyError):  # KeyError: of no AWS at all
            continue
        for name in found:
            try:
                delete(client, name)
            except (ClientError, BotoCoreError) as error:
                if "NotFound" in str(error):  # it was on its way already
                    continue
                left.append(f"{service} {name}: {error}")
    return left


def _pages(client: Any, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    return client.get_paginator(operation).paginate(**parameters)


def _mappings(client: Any, _run: str) -> list[str]:
    return [
        f"{mapping['UUID']} {mapping.get('FunctionArn', '')}"
        for page in _pages(client, "list_event_source_mappings")
        for mapping in page["EventSourceMappings"]
    ]


def _functions(client: Any, _run: str) -> list[str]:
    return [
        one["FunctionName"]
        for page in _pages(client, "list_functions")
        for one in page["Functions"]
    ]


def _layers(client: Any, _run: str) -> list[str]:
    return [one["LayerName"] for page in _pages(client, "list_layers") for one in page["Layers"]]


def _delete_layer(client: Any, name: str) -> None:
    for page in _pages(client, "list_layer_versions", LayerName=name):
        for version in page["LayerVersions"]:
            client.delete_layer_version(LayerName=name, VersionNumber=version["Version"])


def _queues(client: Any, run: str) -> list[str]:
    return client.list_queues(QueueNamePrefix=run, MaxResults=1000).get("QueueUrls", [])


def _repositories(client: Any, _run: str) -> list[str]:
    return [
        one["repositoryName"]
        for page in _pages(client, "describe_repositories")
        for one in page["repositories"]
    ]


def _buckets(client: Any, _run: str) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def _delete_bucket(client: Any, name: str) -> None:
    for upload in client.list_multipart_uploads(Bucket=name).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in _pages(client, "list_object_versions", Bucket=name):
        for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            client.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    client.delete_bucket(Bucket=name)


def _log_groups(client: Any, run: str) -> list[str]:
    with contextlib.suppress(ClientError):  # the groups that functions have written to
        found = client.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{run}")["logGroups"]
        for group in found:
            client.delete_log_group(logGroupName=group["logGroupName"])
    return [
        group["logGroupName"]
        for page in _pages(client, "describe_log_groups", logGroupNamePrefix=run)
        for group in page["logGroups"]
    ]


def _alarms(client: Any, run: str) -> list[str]:
    found = client.describe_alarms(
        AlarmNamePrefix=run, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    return [
        one["AlarmName"]
        for kind in ("CompositeAlarms", "MetricAlarms")  # those that refer to others first
        for one in found.get(kind, ())
    ]


def _dashboards(client: Any, run: str) -> list[str]:
    found = client.list_dashboards(DashboardNamePrefix=run)["DashboardEntries"]
    return [one["DashboardName"] for one in found]


def _tables(client: Any, _run: str) -> list[str]:
    return [name for page in _pages(client, "list_tables") for name in page["TableNames"]]


_KINDS: tuple[tuple[str, Callable[[Any, str], list[str]], Callable[[Any, str], Any]], ...] = (
    (
        "lambda",
        _mappings,
        lambda client, name: client.delete_event_source_mapping(UUID=name.split()[0]),
    ),
    ("lambda", _functions, lambda client, name: client.delete_function(FunctionName=name)),
    ("lambda", _layers, _delete_layer),
    ("s3", _buckets, _delete_bucket),
    ("sqs", _queues, lambda client, name: client.delete_queue(QueueUrl=name)),
    (
        "ecr",
        _repositories,
        lambda client, name: client.delete_repository(repositoryName=name, force=True),
    ),
    ("logs", _log_groups, lambda client, name: client.delete_log_group(logGroupName=name)),
    ("cloudwatch", _alarms, lambda client, name: client.delete_alarms(AlarmNames=[name])),
    (
        "cloudwatch",
        _dashboards,
        lambda client, name: client.delete_dashboards(DashboardNames=[name]),
    ),
    ("dynamodb", _tables, lambda client, name: client.delete_table(TableName=name)),
)
