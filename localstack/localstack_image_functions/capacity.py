"""What writes to DynamoDB say of the capacity that they took and of their items' collections.

One unit is a write of a kilobyte: to the table, and to each index whose entry of the item changes.
moto says one unit of whatever is written.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localstack.aws.api import RequestContext
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import SecondaryIndex, Table

from localstack_image_functions.bounds.attribute_values import item_size

UNIT_BYTES = 1024
GIGABYTE = 1024**3
IN_TRANSACTION = 2
"""Units of a transaction for one of a write by itself."""

Item = Mapping[str, Any]


@dataclass(frozen=True)
class _Written:
    table: Table
    key: Item
    before: Item | None

    @property
    def after(self) -> Item | None:
        return _found(self.table, self.key)


class Account:
    """Of one request that writes, from before it does."""

    def __init__(self, context: RequestContext, request: Mapping[str, Any]) -> None:
        tables = dynamodb_backends[context.account_id][context.region].tables
        self._wants = request.get("ReturnConsumedCapacity") or "NONE"
        self._wants_sizes = request.get("ReturnItemCollectionMetrics") == "SIZE"
        self._factor = IN_TRANSACTION if "TransactItems" in request else 1
        self._is_single = "TableName" in request
        self._written: list[_Written] = []
        if self._wants == "NONE" and not self._wants_sizes:
            return
        for name, key_or_item in _writes(request):
            table = tables.get(name.rpartition("/")[2])
            if table is not None and set(table.table_key_attrs) <= set(key_or_item):
                key = {attribute: key_or_item[attribute] for attribute in table.table_key_attrs}
                self._written.append(_Written(table, key, _found(table, key)))

    def told(self) -> dict[str, Any]:
        """What the answer says, once the request is done."""
        said: dict[str, Any] = {}
        by_table: dict[str, list[_Written]] = defaultdict(list)
        for one in self._written:
            by_table[one.table.name].append(one)
        if self._wants != "NONE":
            taken = [self._taken(writes) for writes in by_table.values()]
            said["ConsumedCapacity"] = taken[0] if self._is_single and taken else taken
        if self._wants_sizes:
            sizes = {
                name: [_collection(one) for one in writes]
                for name, writes in by_table.items()
                if writes[0].table.indexes
            }
            if self._is_single and sizes:
                said["ItemCollectionMetrics"] = next(iter(sizes.values()))[0]
            elif not self._is_single:
                said["ItemCollectionMetrics"] = sizes
        return said

    def _taken(self, writes: list[_Written]) -> dict[str, Any]:
        table = writes[0].table
        of_table, of_indexes = 0, dict.fromkeys((one.name for one in table.all_indexes()), 0)
        for one in writes:
            after = one.after
            of_table += max(_units(one.before), _units(after), 1) * self._factor
            for index in table.all_indexes():
                of_indexes[index.name] += _of_index(index, one.before, after) * self._factor
        units = float(of_table + sum(of_indexes.values()))
        told: dict[str, Any] = {"TableName": table.name, "CapacityUnits": units}
        if self._factor == IN_TRANSACTION:
            told["WriteCapacityUnits"] = units
        if self._wants == "INDEXES":
            told["Table"] = {"CapacityUnits": float(of_table)}
            for kind, indexes in (
                ("GlobalSecondaryIndexes", table.global_indexes),
                ("LocalSecondaryIndexes", table.indexes),
            ):
                if taken := {one.name: float(of_indexes[one.name]) for one in indexes}:
                    told[kind] = {name: {"CapacityUnits": each} for name, each in taken.items()}
        return told


def _writes(request: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    """Each item that a request writes: its table, and its key or the item itself."""
    if "TableName" in request:
        yield request["TableName"], request.get("Item") or request["Key"]
    for name, writes in (request.get("RequestItems") or {}).items():
        for write in writes:
            ((_, one),) = write.items()
            yield name, one.get("Item") or one["Key"]
    for item in request.get("TransactItems") or ():
        one = next(asked for asked in item.values() if asked)
        yield one["TableName"], one.get("Item") or one["Key"]


def _found(table: Table, key: Item) -> Item | None:
    values = [DynamoType(key[name]) for name in table.table_key_attrs]
    item = table.get_item(*values)
    found: Item | None = item.to_json()["Attributes"] if item else None
    return found


def _units(item: Item | None) -> int:
    return math.ceil(item_size(item) / UNIT_BYTES) if item else 0


def _of_index(index: SecondaryIndex, before: Item | None, after: Item | None) -> int:
    """An entry that moves is taken out and put in; one that stays as it is takes nothing."""
    old, new = _entry(index, before), _entry(index, after)
    if old == new:
        return 0
    if old and new and any(old[name] != new[name] for name in index.schema_key_attrs):
        return _units(old) + _units(new)
    return max(_units(old), _units(new))


def _entry(index: SecondaryIndex, item: Item | None) -> Item | None:
    """What an index has of an item; None where it lacks a key of the index."""
    keys = set(index.schema_key_attrs)
    if item is None or not keys <= set(item):
        return None
    projection = index.projection or {}
    if projection.get("ProjectionType") == "ALL":
        return item
    names = keys | set(index.table_key_attrs) | set(projection.get("NonKeyAttributes") or ())
    return {name: value for name, value in item.items() if name in names}


def _collection(written: _Written) -> dict[str, Any]:
    table = written.table
    key = written.key[table.hash_key_attr]
    hash_key = DynamoType(key)
    size = _size(item for item in table.all_items() if item.hash_key == hash_key)
    whole = size // GIGABYTE
    return {
        "ItemCollectionKey": {table.hash_key_attr: key},
        "SizeEstimateRangeGB": [float(whole), float(whole + 1)],
    }


def _size(items: Iterable[Any]) -> int:
    return sum(item_size(item.to_json()["Attributes"]) for item in items)
