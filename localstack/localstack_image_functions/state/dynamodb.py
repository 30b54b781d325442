"""DynamoDB through moto, with items on disk: a row for each, read when it is asked for.

moto holds a table as Python objects, five kilobytes for a row of a few hundred bytes, and a
table that has an hour's rows or a week's must not be a matter of memory. So items live in the
database, and in memory while a request works on them. Requests that write come one after the other,
and what one changes is committed before the next begins and before it is acknowledged: a
condition holds until the write that it allows. A request that fails has changed nothing.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localstack.aws.api import RequestContext
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import StreamShard, Table

from localstack_image_functions.operations import GoOn, stand_around
from localstack_image_functions.state.codec import Codec, Omissions
from localstack_image_functions.state.database import Database, RowKey
from localstack_image_functions.state.item_places import place_of
from localstack_image_functions.state.item_records import item_of, number_in, record_of
from localstack_image_functions.state.table_items import KeptElsewhere, use_rows

ITEM = "dynamodb-item"
OMISSIONS: Omissions = {Table: {"items": KeptElsewhere}}
ITEM_OPERATIONS = {
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
}
STATEMENT_OPERATIONS = {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}
"""Each becomes some of those above."""
LOOKED_AT = 5000
"""Rows whose time to live is looked at in one sweep; a larger table takes several."""
FIVE_YEARS_S = 5 * 365 * 86_400


@dataclass
class _Open:
    """An item that the request that writes works on, and its row as it was."""

    table: Table
    record: bytes | None
    item: Item | None


class ItemRows:
    """The items of all tables. Any thread may read; one at a time writes."""

    def __init__(self, database: Database, codec: Codec):
        self._database = database
        self._codec = codec
        self._lock = threading.RLock()
        self._writer: int | None = None
        self._open: dict[tuple[str, str], _Open] = {}
        self._shards: list[tuple[StreamShard, int]] = []
        self._looked_at: dict[str, str] = {}

    def install(self) -> None:
        """Let moto's tables read and write here, each request that writes as one transaction."""
        use_rows(self)
        stand_around(self._write_at_once)

    def _write_at_once(self, context: RequestContext, go_on: GoOn) -> Any:
        name = context.operation.name
        if context.service.service_name != "dynamodb" or name not in ITEM_OPERATIONS:
            return go_on()
        with self.writing():
            return go_on()

    def after(self, context: RequestContext) -> None:
        """Keep what an operation on tables that has succeeded did to their items."""
        if context.operation.name == "DeleteTable":
            arns = {table.table_arn for table in all_tables()}
            for arn in set(self._database.scopes(ITEM)) - arns:
                self._database.delete_scope(ITEM, arn)
        elif "Restore" in context.operation.name:
            for table in all_tables():
                _ = table.items  # a restored table's are taken over when they are first seen

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """What this thread changes meanwhile is kept when it ends; nothing of it when it fails."""
        with self._lock:
            if self._writer is not None:
                yield
                return
            self._writer = threading.get_ident()
            try:
                yield
                self._commit()
            except BaseException:
                for shard, length in self._shards:
                    del shard.items[length:]
                raise
            finally:
                self._open.clear()
                self._shards.clear()
                self._writer = None

    @property
    def is_writing(self) -> bool:
        return self._writer == threading.get_ident()

    def find(self, table: Table, place: str) -> Item | None:
        """The item there; one that a writer has changed, as it has changed it."""
        arn = table.table_arn
        if not self.is_writing:
            return self._item(table, self._database.get(RowKey(ITEM, arn, place)))
        opened = self._open.get((arn, place))
        if opened is None:
            record = self._database.get(RowKey(ITEM, arn, place))
            opened = self._open[arn, place] = _Open(table, record, self._item(table, record))
        return opened.item

    def put(self, table: Table, place: str, item: Item | None) -> None:
        """Put an item there; None takes away what is there."""
        with self.writing():
            self.find(table, place)
            self._open[table.table_arn, place].item = item

    def pop(self, table: Table, place: str) -> Item | None:
        with self.writing():
            found = self.find(table, place)
            self.put(table, place, None)
            return found

    def between(self, table: Table, first: str = "", last: str | None = None) -> Iterator[Item]:
        """The items from one place on, in order, those at `last` and beyond left out."""
        arn = table.table_arn
        rows = (
            (place, self._item(table, record))
            for place, record in self._database.span(ITEM, arn, first, last)
        )
        if self.is_writing:
            changed = sorted(
                ((place, opened.item) for (whose, place), opened in self._open.items()
                 if whose == arn and place >= first and (last is None or place < last)),
                key=lambda pair: pair[0],
            )  # fmt: skip
            own = {place for place, _ in changed}
            others = (pair for pair in rows if pair[0] not in own)
            rows = heapq.merge(others, changed, key=lambda pair: pair[0])
        return (item for _, item in rows if item is not None)

    def count(self, table: Table) -> int:
        return self._database.count_scope(ITEM, table.table_arn)

    def take_over(self, table: Table, items: Iterator[Item]) -> None:
        """A new table: what was left under its name goes, its own items come."""
        arn = table.table_arn
        rows: dict[RowKey, bytes | None] = {
            RowKey(ITEM, arn, place_of(item.hash_key, item.range_key)): record_of(item, self._codec)
            for item in items
        }
        self._database.write(rows, emptied=[(ITEM, arn)])

    def remember_stream(self, shard: StreamShard | None) -> None:
        """What comes into the stream from now on goes with the request, if that fails."""
        if shard is not None:
            self._shards.append((shard, len(shard.items)))

    def check(self) -> int:
        """Read every row; how many there are.

        Raises
        ------
        TornState
            When one is not what was written.
        HostileState
            When one names what no record may.
        """
        count = 0
        for arn in self._database.scopes(ITEM):
            for _, record in self._database.span(ITEM, arn):
                count += 1
                if not record.startswith(b"{"):
                    self._codec.decode(record)
        return count

    def load(self) -> None:
        """The tables are back: rows of tables that are not go."""
        arns = {table.table_arn for table in all_tables()}
        for arn in set(self._database.scopes(ITEM)) - arns:
            self._database.delete_scope(ITEM, arn)

    def expire(self, now: float | None = None) -> int:
        """Delete items whose time to live is over at `now` (Unix seconds; None: the clock's), as
        AWS does; moto never does. How many.

        Of a table with more than 5000 rows it looks at the next so many.
        """
        now = time.time() if now is None else now
        count = 0
        for table in all_tables():
            attribute = table.ttl.get("AttributeName")
            if table.ttl.get("TimeToLiveStatus") == "ENABLED" and attribute:
                for place in self._look_on(table, attribute, now):
                    count += self._end(table, place, attribute, now)
        self._database.fold()
        return count

    def _look_on(self, table: Table, attribute: str, now: float) -> list[str]:
        """Places of rows that are over, among the next of a table."""
        arn = table.table_arn
        rows = self._database.page(ITEM, arn, self._looked_at.get(arn, ""), None, LOOKED_AT)
        # From the last one on again: it may be there still.
        self._looked_at[arn] = rows[-1][0] if len(rows) == LOOKED_AT else ""
        return [
            place
            for place, record in rows
            if _is_over(number_in(record, attribute, table, self._codec), now)
        ]

    def _end(self, table: Table, place: str, attribute: str, now: float) -> bool:
        with self.writing():
            item = self.find(table, place)  # it may have been renewed since
            value = item.attrs.get(attribute) if item else None
            over = value is not None and value.type == "N" and _is_over(float(value.value), now)
            if over and item is not None:
                table.delete_item(item.hash_key, item.range_key)
            return over

    def _item(self, table: Table, record: bytes | None) -> Item | None:
        return None if record is None else item_of(record, table, self._codec)

    def _commit(self) -> None:
        changes: dict[RowKey, bytes | None] = {}
        for (arn, place), opened in self._open.items():
            record = None if opened.item is None else record_of(opened.item, self._codec)
            if record != opened.record:
                changes[RowKey(ITEM, arn, place)] = record
        self._database.write(changes)


def all_tables() -> list[Table]:
    """Every table of every account and region."""
    return [
        table
        for _, _, backend in list(dynamodb_backends.iter_backends())
        for table in list(backend.tables.values())
    ]


def _is_over(expires_at_s: float | None, now: float) -> bool:
    """Whether it is a number of seconds that has passed. What is five years old counts not."""
    return expires_at_s is not None and now - FIVE_YEARS_S < expires_at_s < now
