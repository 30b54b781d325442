"""What the pages of DynamoDB say of its parameters beyond its model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from localstack_image_functions.bounds.attribute_values import (
    check_item,
    check_value,
    invalid,
    wrong_value,
)
from localstack_image_functions.bounds.dynamodb_expressions import EXPRESSIONS, check_expressions

_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}", re.ASCII)
_NAMED = re.compile(r"[a-zA-Z0-9_.-]+|arn:.*", re.ASCII)
MOST_WRITES = 25
MOST_READS = 100
_LEGACY = (
    "AttributesToGet",
    "AttributeUpdates",
    "ConditionalOperator",
    "Expected",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
)
_TRANSACTED = ("ConditionCheck", "Put", "Delete", "Update")


def _put(request: Mapping[str, Any]) -> None:
    _returns(request, "NONE", "ALL_OLD")
    check_item(request["Item"])
    _expressions(request)


def _delete(request: Mapping[str, Any]) -> None:
    _returns(request, "NONE", "ALL_OLD")
    _key(request["Key"])
    _expressions(request)


def _update(request: Mapping[str, Any]) -> None:
    _key(request["Key"])
    for update in (request.get("AttributeUpdates") or {}).values():
        if update.get("Value") is not None:
            check_value(update["Value"])
    _expressions(request)


def _get(request: Mapping[str, Any]) -> None:
    _key(request["Key"])
    _expressions(request)


def _query(request: Mapping[str, Any]) -> None:
    _select(request)
    _expressions(request)
    if request.get("KeyConditionExpression") is None and not request.get("KeyConditions"):
        raise invalid(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the "
            "request."
        )


def _scan(request: Mapping[str, Any]) -> None:
    _select(request)
    _expressions(request)


def _select(request: Mapping[str, Any]) -> None:
    select = request.get("Select")
    parameter = "ProjectionExpression" if request.get("ProjectionExpression") else "AttributesToGet"
    named = request.get(parameter)
    if select == "SPECIFIC_ATTRIBUTES" and not named:
        raise invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get "
            "SPECIFIC_ATTRIBUTES"
        )
    if select == "ALL_PROJECTED_ATTRIBUTES" and not request.get("IndexName"):
        raise invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    if named and select in ("ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "COUNT"):
        raise invalid(
            f"Cannot specify the {parameter} when choosing to get "
            f"{'only the Count' if select == 'COUNT' else select}"
        )


def _expressions(request: Mapping[str, Any]) -> None:
    given = [name for name in EXPRESSIONS if request.get(name) is not None]
    legacy = [name for name in _LEGACY if request.get(name) is not None]
    if given and legacy:
        raise invalid(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(legacy)}}} Expression parameters: "
            f"{{{', '.join(given)}}}"
        )
    check_expressions(request)


def _returns(request: Mapping[str, Any], *allowed: str) -> None:
    asked = request.get("ReturnValues")
    if asked is not None and asked not in allowed:
        raise invalid(f"ReturnValues can only be {allowed[1]} or {allowed[0]}")


def _key(key: Mapping[str, Any]) -> None:
    for name, value in key.items():
        check_value(value)
        ((kind, content),) = value.items()
        if kind in ("S", "B") and not content:
            raise invalid(
                "One or more parameter values are not valid. The AttributeValue for a key "
                f"attribute cannot contain an empty {'string' if kind == 'S' else 'binary'} value. "
                f"Key: {name}"
            )


def _batch_write(request: Mapping[str, Any]) -> None:
    count = sum(len(writes) for writes in request["RequestItems"].values())
    if count > MOST_WRITES:
        raise invalid("Too many items requested for the BatchWriteItem call")
    for writes in request["RequestItems"].values():
        for write in writes:
            if len(write) != 1:
                raise invalid(
                    "Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest"
                )
            if "PutRequest" in write:
                check_item(write["PutRequest"]["Item"])
            else:
                _key(write["DeleteRequest"]["Key"])


def _batch_get(request: Mapping[str, Any]) -> None:
    if sum(len(one["Keys"]) for one in request["RequestItems"].values()) > MOST_READS:
        raise invalid("Too many items requested for the BatchGetItem call")
    for one in request["RequestItems"].values():
        for key in one["Keys"]:
            _key(key)
        _expressions(one)


def _transact_write(request: Mapping[str, Any]) -> None:
    for item in request["TransactItems"]:
        asked = [item[name] for name in _TRANSACTED if item.get(name)]
        if len(asked) != 1:
            raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
        if "Item" in asked[0]:
            check_item(asked[0]["Item"])
        else:
            _key(asked[0]["Key"])
        _expressions(asked[0])


def _transact_get(request: Mapping[str, Any]) -> None:
    for item in request["TransactItems"]:
        _key(item["Get"]["Key"])
        _expressions(item["Get"])


def _create_table(request: Mapping[str, Any]) -> None:
    name = request["TableName"].rpartition(":table/")[2]
    if not _TABLE.fullmatch(name):
        raise invalid(
            "Invalid table/index name. Table/index names must be between 3 and 255 characters "
            "long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'"
        )
    indexes = [
        *(request.get("LocalSecondaryIndexes") or ()),
        *(request.get("GlobalSecondaryIndexes") or ()),
    ]
    names = [index["IndexName"] for index in indexes]
    for name in names:
        if names.count(name) > 1:
            raise wrong_value(f"Duplicate index name: {name}")
    partition, *sort = [one["AttributeName"] for one in request.get("KeySchema") or ()] or [None]
    for index in request.get("LocalSecondaryIndexes") or ():
        if not sort:
            raise wrong_value(
                "Table KeySchema does not have a range key, which is required when specifying a "
                "LocalSecondaryIndex"
            )
        leading = index["KeySchema"][0]["AttributeName"]
        if leading != partition:
            raise wrong_value(
                "Index KeySchema does not have the same leading hash key as table KeySchema for "
                f"index: {index['IndexName']}. index hash key: {leading}, table hash key: "
                f"{partition}"
            )


def check_name(request: Mapping[str, Any]) -> None:
    """Refuse what is no table's name, before anything else is looked at.

    Raises
    ------
    CommonServiceException
        Then.
    """
    name = request.get("TableName")
    if name and not _NAMED.fullmatch(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'tableName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "BatchGetItem": _batch_get,
    "BatchWriteItem": _batch_write,
    "CreateTable": _create_table,
    "DeleteItem": _delete,
    "GetItem": _get,
    "PutItem": _put,
    "Query": _query,
    "Scan": _scan,
    "TransactGetItems": _transact_get,
    "TransactWriteItems": _transact_write,
    "UpdateItem": _update,
}
