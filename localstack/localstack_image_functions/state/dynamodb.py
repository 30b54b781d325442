"""DynamoDB through moto: a row for each item, kept before a write is acknowledged."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from localstack.aws.api import RequestContext
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from localstack_image_functions.state.codec import Codec, Omissions
from localstack_image_functions.state.database import Database, RowKey, Rows

ITEM = "dynamodb-item"
OMISSIONS: Omissions = {Table: {"items": lambda: defaultdict(dict)}}
ITEM_OPERATIONS = {
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
}
STATEMENT_OPERATIONS = {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}


class ItemRows:
    """Keeps the rows of items as their tables have them."""

    def __init__(self, database: Database, codec: Codec):
        self._database = database
        self._codec = codec

    def after(self, context: RequestContext) -> None:
        """Keep what an operation that has succeeded did to items."""
        name = context.operation.name
        account, region = context.account_id, context.region
        if name in ITEM_OPERATIONS:
            for table_name, values in _touched(name, context.service_request):
                table = find_table(account, region, table_name)
                if table is not None:
                    self.keep(table, _key_of(table, values))
        elif name == "DeleteTable" or name in STATEMENT_OPERATIONS or "Restore" in name:
            self._keep_all()

    def keep(self, table: Table, key: tuple[Any, Any]) -> None:
        """Bring the row of one item to what the table has."""

        def value() -> bytes | None:
            item = _item(table, key)
            return None if item is None else self._codec.encode(item)

        self._database.put(_row(table, key), value)

    def load(self, rows: Rows) -> None:
        """Put the items back into their tables."""
        tables = {table.table_arn: table for table in all_tables()}
        for arn, _, item in rows:
            table = tables.get(arn)
            if table is None:
                self._database.delete_scope(ITEM, arn)
                continue
            if item.range_key is not None:
                table.items[item.hash_key][item.range_key] = item
            else:
                table.items[item.hash_key] = item

    def expire(self, now: float | None = None) -> int:
        """Delete items whose time to live is over, as AWS does; moto never does. How many."""
        now = time.time() if now is None else now
        count = 0
        for table in all_tables():
            attribute = table.ttl.get("AttributeName")
            if table.ttl.get("TimeToLiveStatus") != "ENABLED" or not attribute:
                continue
            for item in list(all_items(table)):
                if _is_over(item.attrs.get(attribute), now):
                    table.delete_item(item.hash_key, item.range_key)
                    self.keep(table, (item.hash_key, item.range_key))
                    count += 1
        return count

    def _keep_all(self) -> None:
        """A statement may have changed any item of any table."""
        arns = {table.table_arn for table in all_tables()}
        for arn in {arn for arn, _, _ in self._database.rows(ITEM)} | arns:
            self._database.delete_scope(ITEM, arn)
        for table in all_tables():
            for item in list(all_items(table)):
                self.keep(table, (item.hash_key, item.range_key))


def all_tables() -> list[Table]:
    return [
        table
        for _, _, backend in list(dynamodb_backends.iter_backends())
        for table in list(backend.tables.values())
    ]


def all_items(table: Table) -> Iterator[Item]:
    for value in list(table.items.values()):
        if isinstance(value, dict):
            yield from list(value.values())
        else:
            yield value


def find_table(account: str, region: str, name: str) -> Table | None:
    """A table by its name or ARN."""
    if name.startswith("arn:"):
        _, _, _, region, account, resource = name.split(":", 5)
        name = resource.partition("/")[2].partition("/")[0]
    return dynamodb_backends[account][region].tables.get(name)


def _touched(operation: str, request: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, key or item) of everything that a request writes."""
    if operation == "BatchWriteItem":
        for table, writes in request["RequestItems"].items():
            for write in writes:
                put, delete = write.get("PutRequest"), write.get("DeleteRequest")
                yield table, put["Item"] if put else delete["Key"]
    elif operation == "TransactWriteItems":
        for action in request["TransactItems"]:
            for kind, one in action.items():
                if kind != "ConditionCheck":
                    yield one["TableName"], one.get("Item") or one["Key"]
    else:
        yield request["TableName"], request.get("Item") or request["Key"]


def _key_of(table: Table, values: dict[str, Any]) -> tuple[DynamoType, DynamoType | None]:
    sort = table.range_key_attr
    return DynamoType(values[table.hash_key_attr]), DynamoType(values[sort]) if sort else None


def _item(table: Table, key: tuple[DynamoType, DynamoType | None]) -> Item | None:
    found = table.items.get(key[0])
    return found.get(key[1]) if key[1] is not None and isinstance(found, dict) else found


def _row(table: Table, key: tuple[DynamoType, DynamoType | None]) -> RowKey:
    parts = [[one.type, _text(one.value)] for one in key if one is not None]
    return RowKey(ITEM, table.table_arn, json.dumps(parts))


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _is_over(expires_at: DynamoType | None, now: float) -> bool:
    """Whether it is a number of seconds that has passed. What is five years old counts not."""
    if expires_at is None or expires_at.type != "N":
        return False
    return now - 5 * 365 * 86400 < float(expires_at.value) < now
