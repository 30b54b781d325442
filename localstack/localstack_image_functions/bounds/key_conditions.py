"""What DynamoDB says of a query's conditions and of where it begins, once they are read."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

Value = Mapping[str, Any]

_WRONG_TYPE = (
    "One or more parameter values were invalid: Condition parameter type does not match schema type"
)
_START = "The provided starting key "
_MISMATCH = f"{_START}is invalid: The provided key element does not match the schema"


@functools.cache
def check_conditions() -> None:
    """Let moto's queries and scans be checked before they look at items."""
    query, scan = DynamoDBBackend.query, DynamoDBBackend.scan

    @functools.wraps(query)
    def checked_query(
        self: DynamoDBBackend,
        table_name: str,
        hash_value: Value,
        comparison: str | None,
        values: Sequence[Value],
        limit: int,
        start: Mapping[str, Value] | None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        table = self.get_table(table_name)
        name = options.get("index_name")
        schema = table.get_index(name, error_if_not=True).schema if name else table.schema
        keys = [key["AttributeName"] for key in sorted(schema, key=lambda key: key["KeyType"])]
        _check_types(table, keys, hash_value, values)
        if comparison == "BETWEEN":
            _check_bounds(*values)
        if start is not None:
            _check_start(table, name, start)
            _check_place(keys, hash_value, comparison, values, start)
        return query(
            self, table_name, hash_value, comparison, values, limit, start, *arguments, **options
        )

    @functools.wraps(scan)
    def checked_scan(
        self: DynamoDBBackend,
        table_name: str,
        filters: Any,
        limit: int,
        start: Mapping[str, Value] | None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        if start is not None:
            name = options.get("index_name") or next(iter(arguments[3:]), None)
            _check_start(self.get_table(table_name), name, start)
        return scan(self, table_name, filters, limit, start, *arguments, **options)

    DynamoDBBackend.query = checked_query
    DynamoDBBackend.scan = checked_scan


def types_of(table: Table) -> dict[str, str]:
    """The type of each attribute that is a key of the table or of an index."""
    return {one["AttributeName"]: one["AttributeType"] for one in table.attr}


def _check_types(table: Table, keys: list[str], hash_value: Value, values: Sequence[Value]) -> None:
    types = types_of(table)
    asked = [(keys[0], hash_value), *((keys[-1], value) for value in values if len(keys) > 1)]
    if any(types[name] not in value for name, value in asked):
        raise MockValidationException(_WRONG_TYPE)


def _check_bounds(low: Value, high: Value) -> None:
    if DynamoType(low) > DynamoType(high):
        raise MockValidationException(
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be "
            f"greater than or equal to lower bound; lower bound operand: {_text(low)}, upper bound "
            f"operand: {_text(high)}"
        )


def _text(value: Value) -> str:
    ((kind, content),) = value.items()
    return f"AttributeValue: {{{kind}:{content}}}"


def _check_start(table: Table, index: str | None, start: Mapping[str, Value]) -> None:
    """A page ends at an item: its keys, and those of the index, are where the next begins."""
    names = set(table.table_key_attrs)
    if index:
        names |= set(table.get_index(index, error_if_not=True).schema_key_attrs)
    types = types_of(table)
    if set(start) != names or any(types[name] not in start[name] for name in names):
        raise MockValidationException(_MISMATCH)


def _check_place(
    keys: list[str],
    hash_value: Value,
    comparison: str | None,
    values: Sequence[Value],
    start: Mapping[str, Value],
) -> None:
    if DynamoType(start[keys[0]]) != DynamoType(hash_value):
        raise MockValidationException(
            f"{_START}is outside query boundaries based on provided conditions"
        )
    bounds = [DynamoType(value) for value in values]
    if comparison and not DynamoType(start[keys[-1]]).compare(comparison, bounds):
        raise MockValidationException(f"{_START}does not match the range key predicate")
