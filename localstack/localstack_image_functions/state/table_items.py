"""moto's tables with their items elsewhere: `Table.items` and what goes through all of it."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Protocol

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamShard, Table

from localstack_image_functions.state.item_places import (
    AFTER_SEPARATOR,
    SEPARATOR,
    place_of,
)


class ItemStore(Protocol):
    """Where the items of all tables are; `state.dynamodb.ItemRows` is one."""

    @property
    def is_writing(self) -> bool: ...
    def find(self, table: Table, place: str) -> Item | None: ...
    def put(self, table: Table, place: str, item: Item | None) -> None: ...
    def pop(self, table: Table, place: str) -> Item | None: ...
    def between(self, table: Table, first: str = "", last: str | None = None) -> Iterator[Item]: ...
    def count(self, table: Table) -> int: ...
    def take_over(self, table: Table, items: Iterator[Item]) -> None: ...
    def remember_stream(self, shard: StreamShard | None) -> None: ...


class KeptElsewhere(defaultdict[Any, Any]):
    """What a table has for its items when it comes back from disk."""

    def __init__(self) -> None:
        super().__init__(dict)


class TableItems:
    """What moto takes for its dictionary of hash key and item, or hash key, range key and item."""

    def __init__(self, rows: ItemStore, table: Table):
        self.rows = rows
        self.table = table

    def __getitem__(self, hash_key: DynamoType) -> Any:
        if self.table.has_range_key:
            return _Partition(self, hash_key)
        found = self.rows.find(self.table, place_of(hash_key))
        if found is None:
            raise KeyError(hash_key)
        return found

    def __contains__(self, hash_key: DynamoType) -> bool:
        return self.rows.find(self.table, place_of(hash_key)) is not None

    def __setitem__(self, hash_key: DynamoType, item: Item) -> None:
        self.rows.put(self.table, place_of(hash_key), item)

    def pop(self, hash_key: DynamoType) -> Item:
        """Take an item out, as a dictionary does.

        Raises
        ------
        KeyError
            When there is none.
        """
        found = self.rows.pop(self.table, place_of(hash_key))
        if found is None:
            raise KeyError(hash_key)
        return found

    def __deepcopy__(self, _memo: dict[int, Any]) -> dict[Any, Any]:
        """A backup's: in memory, as moto has it."""
        copied: dict[Any, Any] = defaultdict(dict)
        for item in self.rows.between(self.table):
            if item.range_key is None:
                copied[item.hash_key] = item
            else:
                copied[item.hash_key][item.range_key] = item
        return copied


class _Partition:
    """The items of one hash key."""

    def __init__(self, items: TableItems, hash_key: DynamoType):
        self._items = items
        self._hash_key = hash_key

    def __getitem__(self, range_key: DynamoType) -> Item:
        found = self._items.rows.find(self._items.table, place_of(self._hash_key, range_key))
        if found is None:
            raise KeyError(range_key)
        return found

    def __setitem__(self, range_key: DynamoType, item: Item) -> None:
        self._items.rows.put(self._items.table, place_of(self._hash_key, range_key), item)

    def pop(self, range_key: DynamoType) -> Item:
        found = self._items.rows.pop(self._items.table, place_of(self._hash_key, range_key))
        if found is None:
            raise KeyError(range_key)
        return found


_span = threading.local()
"""Which part of a table the request of this thread has to go through: (first, last)."""


def use_rows(rows: ItemStore) -> None:
    """Let every table that a backend has keep its items there."""
    _keep_items(rows)
    _go_through_rows(rows)
    _read_only_the_rows_of_a_query()


def _keep_items(rows: ItemStore) -> None:
    def items(table: Table) -> Any:
        held = vars(table)["items"]
        if isinstance(held, TableItems):
            return held
        backend = dynamodb_backends[table.account_id][table.region_name]
        if backend.tables.get(table.name) is not table:
            return held  # a backup's, or that of a table which is being made
        kept = vars(table)["items"] = TableItems(rows, table)
        if not isinstance(held, KeptElsewhere):
            rows.take_over(table, _held_items(held))
        return kept

    def hold(table: Table, value: Any) -> None:
        vars(table)["items"] = value

    def deepcopy(table: Table, memo: dict[int, Any]) -> Table:
        if rows.is_writing:
            # For a transaction that may fail; that takes back by itself what it has done.
            rows.remember_stream(table.stream_shard)
            return table
        made = memo[id(table)] = Table.__new__(type(table))
        vars(made).update(copy.deepcopy(vars(table), memo))
        return made

    Table.items = property(items, hold)
    Table.__deepcopy__ = deepcopy


def _held_items(held: dict[Any, Any]) -> Iterator[Item]:
    for value in list(held.values()):
        yield from list(value.values()) if isinstance(value, dict) else [value]


def _go_through_rows(rows: ItemStore) -> None:
    in_memory, count_in_memory = Table.all_items, Table.__len__

    def all_items(table: Table) -> Any:
        if not isinstance(table.items, TableItems):
            return in_memory(table)
        return rows.between(table, *getattr(_span, "asked_for", ()))

    def has_idx_items(table: Table, index_name: str) -> list[Item]:
        columns = {one["AttributeName"] for one in table.get_index(index_name).schema}
        return [item for item in table.all_items() if columns <= item.attrs.keys()]

    def count(table: Table) -> int:
        is_kept = isinstance(table.items, TableItems)
        return rows.count(table) if is_kept else count_in_memory(table)

    Table.all_items = all_items
    Table.has_idx_items = has_idx_items
    Table.__len__ = count


def _read_only_the_rows_of_a_query() -> None:
    query, scan = Table.query, Table.scan
    comes_before = Table._item_comes_before_dct

    def comes_before_start(table: Table, item: Item, *asked: Any) -> bool:
        """A scan's rows come in the order of their places, which is not that of binary keys."""
        begins: tuple[Any, ...] = getattr(_span, "asked_for", ())
        if len(begins) == 1:
            return bool(place_of(item.hash_key, item.range_key) <= begins[0])
        return comes_before(table, item, *asked)

    def query_of(
        table: Table,
        hash_key: DynamoType,
        range_comparison: Any,
        range_objs: Any,
        limit: Any,
        exclusive_start_key: Any,
        scan_index_forward: Any,
        projection_expressions: Any,
        index_name: str | None = None,
        *others: Any,
        **named: Any,
    ) -> Any:
        with _asking(() if index_name else _partition(table, hash_key)):
            return query(
                table, hash_key, range_comparison, range_objs, limit, exclusive_start_key,
                scan_index_forward, projection_expressions, index_name, *others, **named,
            )  # fmt: skip

    def scan_of(
        table: Table,
        filters: Any,
        limit: Any,
        exclusive_start_key: dict[str, Any] | None,
        filter_expression: Any = None,
        index_name: str | None = None,
        *others: Any,
        **named: Any,
    ) -> Any:
        begins = exclusive_start_key and not index_name
        with _asking((_place_in(table, exclusive_start_key or {}),) if begins else ()):
            return scan(
                table, filters, limit, exclusive_start_key, filter_expression, index_name,
                *others, **named,
            )  # fmt: skip

    Table._item_comes_before_dct = comes_before_start
    Table.query = query_of
    Table.scan = scan_of


@contextlib.contextmanager
def _asking(span: tuple[str, ...]) -> Iterator[None]:
    _span.asked_for = span
    try:
        yield
    finally:
        _span.asked_for = ()


def _partition(table: Table, hash_key: DynamoType) -> tuple[str, str]:
    place = place_of(hash_key)
    if not table.has_range_key:
        return place, place + SEPARATOR
    return place + SEPARATOR, place + AFTER_SEPARATOR


def _place_in(table: Table, key: dict[str, Any]) -> str:
    sort = table.range_key_attr
    return place_of(DynamoType(key[table.hash_key_attr]), DynamoType(key[sort]) if sort else None)
