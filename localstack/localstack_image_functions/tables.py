"""DynamoDB's operations on tables, answered as AWS documents where moto does not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.services.moto import call_moto
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from localstack_image_functions.bounds.attribute_values import invalid, wrong_value

_KEPT = {"TableClass": "table_class", "OnDemandThroughput": "on_demand_throughput"}
"""What moto forgets of a table, and where it is kept at moto's own."""
_ACTIONABLE = frozenset(
    {
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexUpdates",
        "GlobalTableWitnessUpdates",
        "MultiRegionConsistency",
        "OnDemandThroughput",
        "ProvisionedThroughput",
        "ReplicaUpdates",
        "SSESpecification",
        "StreamSpecification",
        "TableClass",
        "WarmThroughput",
    }
)
NOTHING_PROVISIONED = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}


@functools.cache
def describe_all() -> None:
    """Let moto's tables tell what is kept of them beside its own."""
    describe = Table.describe

    def described(table: Table, base_key: str = "TableDescription") -> dict[str, Any]:
        told = describe(table, base_key)
        if kind := vars(table).get("table_class"):
            told[base_key]["TableClassSummary"] = {"TableClass": kind}
        if limits := vars(table).get("on_demand_throughput"):
            told[base_key]["OnDemandThroughput"] = limits
        return told

    Table.describe = described


def _table(context: RequestContext, name: str) -> Any:
    return dynamodb_backends[context.account_id][context.region].tables.get(name.rpartition("/")[2])


def _keep(context: RequestContext, request: Mapping[str, Any]) -> Any:
    """What a table is now, with what moto does not look at."""
    table = _table(context, request["TableName"])
    for name, place in _KEPT.items():
        if request.get(name) is not None:
            setattr(table, place, request[name])
    return table.describe()


def _create(context: RequestContext, request: Any) -> Any:
    answered = call_moto(context)
    if any(request.get(name) for name in _KEPT):
        _keep(context, request)
    return answered


def _update(context: RequestContext, request: Any) -> Any:
    if not any(request.get(name) is not None for name in _ACTIONABLE):
        raise invalid(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
            "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
        )
    table = _table(context, request["TableName"])
    if table is not None:
        _check_throughput(table, request)
    answered = call_moto(context)
    if request.get("BillingMode") == "PAY_PER_REQUEST":
        table.throughput = {**table.throughput, **NOTHING_PROVISIONED}
        for index in table.global_indexes:
            index.throughput = {**(index.throughput or {}), **NOTHING_PROVISIONED}
        answered["TableDescription"]["ProvisionedThroughput"] = table.throughput
    if any(request.get(name) for name in _KEPT):
        _keep(context, request)
    if request.get("SSESpecification") is not None:
        _encrypt(context, table, request["SSESpecification"])
        answered["TableDescription"] = table.describe()["TableDescription"]
    return answered


def _encrypt(context: RequestContext, table: Any, asked: Mapping[str, Any]) -> None:
    """Tell from now on of the key that is asked for, or of none: the one that AWS owns."""
    wanted = {**asked}
    if wanted.get("Enabled") and not wanted.get("KMSMasterKeyId"):
        wanted["KMSMasterKeyId"] = table._get_default_encryption_key(
            context.account_id, context.region
        )
    table.sse_specification = wanted


def _check_throughput(table: Table, request: Mapping[str, Any]) -> None:
    asked = request.get("ProvisionedThroughput")
    mode = request.get("BillingMode") or table.billing_mode
    if asked is None:
        return
    if mode == "PAY_PER_REQUEST":
        raise wrong_value(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST"
        )
    read, write = asked["ReadCapacityUnits"], asked["WriteCapacityUnits"]
    now = table.throughput
    others = [name for name in _ACTIONABLE if request.get(name) is not None]
    if others == ["ProvisionedThroughput"] and (read, write) == (
        now["ReadCapacityUnits"],
        now["WriteCapacityUnits"],
    ):
        raise invalid(
            "The provisioned throughput for the table will not change. The requested value equals "
            f"the current value. Current ReadCapacityUnits provisioned for the table: {read}. "
            f"Requested ReadCapacityUnits: {read}. Current WriteCapacityUnits provisioned for the "
            f"table: {write}. Requested WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB "
            "Developer Guide for current limits and how to request higher limits."
        )


def _delete(context: RequestContext, request: Any) -> Any:
    table = _table(context, request["TableName"])
    if table is not None and table.deletion_protection_enabled:
        raise invalid(
            "Resource cannot be deleted as it is currently protected against deletion. Disable "
            "deletion protection first."
        )
    answered = call_moto(context)
    answered["TableDescription"]["TableStatus"] = "DELETING"
    return answered


def _delete_policy(context: RequestContext, request: Any) -> Any:
    policies = dynamodb_backends[context.account_id][context.region].resource_policies
    policy = policies.get(request["ResourceArn"])
    answered = call_moto(context)
    return {**answered, "RevisionId": policy.revision_id} if policy else answered


def _not_emulated(_context: RequestContext, _request: Any) -> Any:
    """moto would write to a storage of its own, which is not the buckets that there are."""
    raise NotImplementedError


def _tag(context: RequestContext, request: Any) -> Any:
    arn = request["ResourceArn"]
    if not arn.startswith("arn:") or ":table/" not in arn:
        raise CommonServiceException(
            "ValidationException",
            f"Invalid TableArn: Invalid ResourceArn provided as input {arn}",
            sender_fault=True,
        )
    return call_moto(context)


OPERATIONS: Mapping[str, Callable[[RequestContext, Any], Any]] = {
    "CreateTable": _create,
    "DeleteResourcePolicy": _delete_policy,
    "DeleteTable": _delete,
    "ListTagsOfResource": _tag,
    "TagResource": _tag,
    "UntagResource": _tag,
    "UpdateTable": _update,
    **dict.fromkeys(
        (
            "DescribeExport",
            "DescribeImport",
            "ExportTableToPointInTime",
            "ImportTable",
            "ListExports",
            "ListImports",
        ),
        _not_emulated,
    ),
}
