"""ExecuteStatement and its siblings, by the operations that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext, ServiceException
from localstack.aws.api.dynamodb import (
    DuplicateItemException,
    ResourceNotFoundException,
    TransactionCanceledException,
)
from localstack.aws.connect import connect_to
from moto.dynamodb.models import dynamodb_backends

from localstack_image_functions.partiql.expressions import Path, Value
from localstack_image_functions.partiql.statements import (
    Delete,
    Exists,
    Insert,
    Select,
    Statement,
    Update,
    read,
)
from localstack_image_functions.partiql.tokens import NotWellFormed

FAILED = "ConditionalCheckFailedException"
_NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
_CODES = {"ValidationException": "ValidationError"}
_WRITES: tuple[type[Statement], ...] = (Insert, Update, Delete, Exists)


def _invalid(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message, sender_fault=True)


def _read(asked: Mapping[str, Any]) -> Statement:
    try:
        return read(asked["Statement"], asked.get("Parameters") or ())
    except NotWellFormed as error:
        raise _invalid(str(error)) from error


class _Tables:
    """The tables that a request is for."""

    def __init__(self, context: RequestContext) -> None:
        self._tables = dynamodb_backends[context.account_id][context.region].tables
        self.client = connect_to(
            aws_access_key_id=context.account_id, region_name=context.region
        ).dynamodb

    def keys(self, name: str) -> list[str]:
        """The names of a table's key attributes, that of partitions first."""
        table = self._tables.get(name)
        if table is None:
            raise ResourceNotFoundException("Requested resource not found")
        return [one for one in (table.hash_key_attr, table.range_key_attr) if one]

    def ask(self, operation: str, **request: Any) -> Any:
        given = {name: value for name, value in request.items() if value not in (None, {}, "")}
        try:
            return getattr(self.client, operation)(**given)
        except ClientError as error:
            raise _as_answered(error) from error


def _as_answered(error: ClientError) -> ServiceException:
    said = error.response["Error"]
    message = said.get("Message") or ""
    reasons = error.response.get("CancellationReasons")
    if reasons:
        return TransactionCanceledException(message, CancellationReasons=reasons)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return CommonServiceException(said["Code"], message, status, sender_fault=status < 500)


def execute_statement(context: RequestContext, request: Any) -> Any:
    """One statement.

    Raises
    ------
    CommonServiceException
        ValidationException where it can't be read, or what its operation raises.
    """
    tables = _Tables(context)
    statement = _read(request)
    if isinstance(statement, Exists):
        raise _invalid("EXISTS is for transactions: use ExecuteTransaction")
    capacity = request.get("ReturnConsumedCapacity")
    items, consumed = _done(tables, statement, capacity)
    answer: dict[str, Any] = {"Items": items}
    if isinstance(statement, Select):
        answer |= _page(items, request.get("Limit"), request.get("NextToken"))
    return answer | ({"ConsumedCapacity": consumed} if consumed else {})


def _page(items: list[Any], limit: int | None, token: str | None) -> dict[str, Any]:
    if token and not token.isdecimal():
        raise _invalid("The provided NextToken is not valid")
    first = int(token or 0)
    rest = items[first:]
    if limit is None or len(rest) <= limit:
        return {"Items": rest}
    return {"Items": rest[:limit], "NextToken": str(first + limit)}


def batch_execute_statement(context: RequestContext, request: Any) -> Any:
    """Each for itself: what fails stands in its place."""
    tables, answers = _Tables(context), []
    for one in request["Statements"]:
        answer: dict[str, Any] = {}
        try:
            statement = _read(one)
            answer["TableName"] = statement.table
            if isinstance(statement, Select):
                _key_of(tables, statement)
            items, _ = _done(tables, statement, None)
            if items:
                answer["Item"] = items[0]
        except ServiceException as error:
            code = _CODES.get(error.code, error.code).removesuffix("Exception")
            answer["Error"] = {"Code": code, "Message": error.message}
        answers.append(answer)
    return {"Responses": answers}


def execute_transaction(context: RequestContext, request: Any) -> Any:
    """All or nothing, reads or writes.

    Raises
    ------
    CommonServiceException
        ValidationException where a statement can't be read, or both kinds are there.
    """
    tables = _Tables(context)
    statements = [_read(one) for one in request["TransactStatements"]]
    writes = [isinstance(one, _WRITES) for one in statements]
    if any(writes) and not all(writes):
        raise _invalid("A transaction has statements that read, or that write, not both")
    if all(writes):
        try:
            tables.ask(
                "transact_write_items",
                TransactItems=[_written(tables, one) for one in statements],
                ClientRequestToken=request.get("ClientRequestToken"),
            )
        except TransactionCanceledException as error:
            for reason, one in zip(error.CancellationReasons or (), statements, strict=False):
                if reason.get("Code") == "ConditionalCheckFailed" and isinstance(one, Insert):
                    reason["Code"] = "DuplicateItem"
            raise
        return {"Responses": [{} for _ in statements]}
    found = []
    for one in statements:
        _key_of(tables, one)
        items, _ = _done(tables, one, None)
        found.append({"Item": items[0]} if items else {})
    return {"Responses": found}


def _done(
    tables: _Tables, statement: Statement, capacity: str | None
) -> tuple[list[dict[str, Value]], Any]:
    """The items that a statement shows, and what it consumed."""
    tables.keys(statement.table)
    if isinstance(statement, Select):
        return _selected(tables, statement, capacity)
    ((_, request),) = _written(tables, statement).items()
    if isinstance(statement, Insert):
        operation, returned = "put_item", "NONE"
    elif isinstance(statement, Update):
        operation, returned = "update_item", statement.returning
    else:
        operation, returned = "delete_item", getattr(statement, "returning", "NONE")
    try:
        answered = tables.ask(
            operation, **request, ReturnValues=returned, ReturnConsumedCapacity=capacity
        )
    except CommonServiceException as error:
        if isinstance(statement, Insert) and error.code == FAILED:
            raise DuplicateItemException("Duplicate primary key exists in table") from error
        raise
    items = [answered["Attributes"]] if answered.get("Attributes") else []
    return items, answered.get("ConsumedCapacity")


def _written(tables: _Tables, statement: Statement) -> dict[str, dict[str, Any]]:
    """What a transaction has for a statement that writes."""
    partition = tables.keys(statement.table)[0]
    placed = statement.placed
    request: dict[str, Any] = {"TableName": statement.table}
    if isinstance(statement, Insert):
        unknown = f"attribute_not_exists({placed.path((partition,))})"
        kind = "Put"
        request |= {"Item": statement.item, "ConditionExpression": unknown}
    else:
        request["Key"] = _key_of(tables, statement)
        condition = statement.condition
        if isinstance(statement, Update):
            kind = "Update"
            request["UpdateExpression"] = statement.update
        elif isinstance(statement, Delete):
            kind = "Delete"
            # What is not there is deleted already.
            condition = f"attribute_not_exists({placed.path((partition,))}) OR ({condition})"
        else:
            kind = "ConditionCheck"
        request["ConditionExpression"] = condition
    request["ExpressionAttributeNames"] = placed.names
    request["ExpressionAttributeValues"] = placed.values
    return {kind: {name: value for name, value in request.items() if value not in (None, {})}}


def _key_of(tables: _Tables, statement: Statement) -> dict[str, Value]:
    names = tables.keys(statement.table)
    if not set(names) <= set(statement.equalities):
        raise _invalid(_NO_KEY)
    return {name: statement.equalities[name] for name in names}


def _selected(tables: _Tables, statement: Select, capacity: str | None) -> tuple[list[Any], Any]:
    items: list[dict[str, Value]] = []
    consumed: dict[str, Any] = {}
    placed = statement.placed
    request = {
        "TableName": statement.table,
        "IndexName": statement.index,
        "FilterExpression": statement.condition,
        "ExpressionAttributeNames": placed.names,
        "ExpressionAttributeValues": placed.values,
        "ReturnConsumedCapacity": capacity,
    }
    start = None
    while True:
        answered = tables.ask("scan", **request, ExclusiveStartKey=start)
        items += answered["Items"]
        if part := answered.get("ConsumedCapacity"):
            units = consumed.get("CapacityUnits", 0) + part["CapacityUnits"]
            consumed = {**part, "CapacityUnits": units}
        start = answered.get("LastEvaluatedKey")
        if not start:
            break
    range_keys = tables.keys(statement.table)[1:]
    order = statement.order or tuple((name, False) for name in range_keys)
    for name, is_downwards in reversed(order):
        items.sort(key=lambda item: _rank(item.get(name)), reverse=is_downwards)
    return [_shown(item, statement.paths) for item in items], consumed or None


def _rank(value: Value | None) -> tuple[bool, Any]:
    if not value:
        return False, ""
    kind, plain = next(iter(value.items()))
    return True, Decimal(plain) if kind == "N" else plain


def _shown(item: dict[str, Value], paths: tuple[Path, ...] | None) -> dict[str, Value]:
    if paths is None:
        return item
    found = {}
    for path in paths:
        value = _at(item, path)
        if value is not None:
            found[next(str(part) for part in reversed(path) if isinstance(part, str))] = value
    return found


def _at(item: dict[str, Value], path: Path) -> Value | None:
    value: Any = {"M": item}
    for part in path:
        inside = (value or {}).get("L" if isinstance(part, int) else "M")
        if isinstance(part, int):
            value = inside[part] if inside and part < len(inside) else None
        else:
            value = (inside or {}).get(part)
    return value


OPERATIONS: dict[str, Callable[[RequestContext, Any], Any]] = {
    "BatchExecuteStatement": batch_execute_statement,
    "ExecuteStatement": execute_statement,
    "ExecuteTransaction": execute_transaction,
}
