"""What DynamoDB's items and queries must be like for the table that they are meant for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.api.dynamodb import ResourceNotFoundException
from moto.dynamodb.models import dynamodb_backends

from localstack_image_functions.bounds.attribute_values import invalid, wrong_value

_MISMATCH = "The provided key element does not match the schema"
_DUPLICATES = "Provided list of item keys contains duplicates"


def _table(context: RequestContext, name: str) -> Any:
    """moto's table; None where there is none, which it says itself."""
    backend = dynamodb_backends[context.account_id][context.region]
    return backend.tables.get(name.rpartition("/")[2])


def _types(table: Any) -> dict[str, str]:
    return {one["AttributeName"]: one["AttributeType"] for one in table.attr}


def _check_key(table: Any, key: Mapping[str, Any]) -> None:
    types = _types(table)
    if set(key) != set(table.table_key_attrs):
        raise invalid(_MISMATCH)
    for name, value in key.items():
        if types[name] not in value:
            raise invalid(_MISMATCH)


def _check_item(table: Any, item: Mapping[str, Any]) -> None:
    types = _types(table)
    for name in table.table_key_attrs:
        if name not in item:
            raise wrong_value(f"Missing the key {name} in the item")
        if types[name] not in item[name]:
            raise wrong_value(
                f"Type mismatch for key {name} expected: {types[name]} actual: {_kind(item[name])}"
            )
        _check_filled(name, item[name])
    for index in table.global_indexes:
        for name in index.schema_key_attrs:
            if name in item and types[name] not in item[name]:
                raise wrong_value(
                    f"Type mismatch for Index Key {name} Expected: {types[name]} Actual: "
                    f"{_kind(item[name])} IndexName: {index.name}"
                )


def _check_filled(name: str, value: Mapping[str, Any]) -> None:
    ((kind, content),) = value.items()
    if kind in ("S", "B") and not content:
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            f"cannot contain an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}"
        )


def _of_transaction(context: RequestContext, request: Mapping[str, Any]) -> None:
    """An empty key fails a transaction as a whole; what else is wrong is a reason of its item."""
    for item in request["TransactItems"]:
        put = item.get("Put")
        table = _table(context, put["TableName"]) if put else None
        for name in table.table_key_attrs if table else ():
            if name in put["Item"]:
                _check_filled(name, put["Item"][name])


def _kind(value: Mapping[str, Any]) -> str:
    return next(iter(value))


def _of_key(context: RequestContext, request: Mapping[str, Any]) -> None:
    if table := _table(context, request["TableName"]):
        _check_key(table, request["Key"])


def _of_item(context: RequestContext, request: Mapping[str, Any]) -> None:
    if table := _table(context, request["TableName"]):
        _check_item(table, request["Item"])


def _of_writes(context: RequestContext, request: Mapping[str, Any]) -> None:
    for name, writes in request["RequestItems"].items():
        table = _table(context, name)
        if table is None:
            continue
        for write in writes:
            if "PutRequest" in write:
                _check_item(table, write["PutRequest"]["Item"])
            else:
                _check_key(table, write["DeleteRequest"]["Key"])
        written = (next(iter(write.values())) for write in writes)
        _all_different(table, (one.get("Item") or one.get("Key") for one in written))


def _of_reads(context: RequestContext, request: Mapping[str, Any]) -> None:
    for name, asked in request["RequestItems"].items():
        if table := _table(context, name):
            for key in asked["Keys"]:
                _check_key(table, key)
            _all_different(table, asked["Keys"])


def _all_different(table: Any, items: Iterable[Mapping[str, Any]]) -> None:
    keys = [repr([item[name] for name in table.table_key_attrs]) for item in items]
    if len(set(keys)) < len(keys):
        raise invalid(_DUPLICATES)


def _of_query(context: RequestContext, request: Mapping[str, Any]) -> None:
    table, name = _table(context, request["TableName"]), request.get("IndexName")
    if table is None or name is None:
        return
    if name not in {index.name for index in table.all_indexes()}:
        raise invalid(f"The table does not have the specified index: {name}")
    if request.get("ConsistentRead") and name in {one.name for one in table.global_indexes}:
        raise invalid("Consistent reads are not supported on global secondary indexes")


def _of_indexes(context: RequestContext, request: Mapping[str, Any]) -> None:
    """moto fails at an index that is there, and at one that is not."""
    table = _table(context, request["TableName"])
    if table is None:
        return
    there = {index.name for index in table.global_indexes}
    defined = _types(table) | {
        one["AttributeName"]: one["AttributeType"]
        for one in request.get("AttributeDefinitions") or ()
    }
    for update in request.get("GlobalSecondaryIndexUpdates") or ():
        ((kind, one),) = update.items()
        name = one["IndexName"]
        if kind != "Create" and name not in there:
            raise ResourceNotFoundException("Requested resource not found")
        if kind == "Create" and name in there:
            raise invalid(f"Attempting to create an index which already exists: {name}")
        keys = [key["AttributeName"] for key in one.get("KeySchema") or ()]
        if unknown := [key for key in keys if key not in defined]:
            raise wrong_value(
                "Some index key attributes are not defined in AttributeDefinitions. "
                f"Keys: {unknown}, AttributeDefinitions: {[*defined]}"
            )


def _there(context: RequestContext, request: Mapping[str, Any]) -> None:
    """moto has another code for it."""
    if _table(context, request["TableName"]) is None:
        raise CommonServiceException(
            "ResourceNotFoundException",
            f"Requested resource not found: Table: {request['TableName']} not found",
            sender_fault=True,
        )


CHECKS: Mapping[str, Callable[[RequestContext, Any], None]] = {
    "BatchGetItem": _of_reads,
    "BatchWriteItem": _of_writes,
    "DeleteItem": _of_key,
    "DescribeTimeToLive": _there,
    "GetItem": _of_key,
    "PutItem": _of_item,
    "Query": _of_query,
    "Scan": _of_query,
    "TransactWriteItems": _of_transaction,
    "UpdateItem": _of_key,
    "UpdateTable": _of_indexes,
    "UpdateTimeToLive": _there,
}
