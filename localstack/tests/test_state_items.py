"""DynamoDB's items on disk: their order, their conditions, what they cost the emulator."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localstack_image_functions.state.database import Database, RowKey
from localstack_image_functions.state.item_places import place_of

ROW_BYTES = 600
"""More memory than a row may take that lies on disk; moto's objects of it take 5,000 bytes."""


@dataclass(frozen=True)
class Value:
    type: str
    value: Any


def place(*values: str, kind: str = "S") -> str:
    hash_key, *rest = values
    return place_of(Value("S", hash_key), *(Value(kind, one) for one in rest))


def test_places_sort_as_keys_do() -> None:
    numbers = ["-1e10", "-10", "-1.25", "-1.2", "-1", "-0.001", "0", "0.001", "1", "1.2", "1.25"]
    numbers += ["9", "10", "100", "12345678901234567890123456789012345678", "1e38", "1e125"]
    places = [place("a", one, kind="N") for one in numbers]
    assert places == sorted(places)
    assert len(set(places)) == len(numbers)
    texts = ["", "\x00", "\x00a", "\x01", "\x02", "a", "a\x00", "a!", "ab", "z", "é", "€", "😀"]
    assert [place(one) for one in texts] == sorted(place(one) for one in texts)


def test_a_number_is_one_key_however_it_is_written() -> None:
    assert len({place("a", one, kind="N") for one in ("1", "1.0", "1e0", "0.1e1")}) == 1


def test_what_lies_under_one_hash_key_lies_together() -> None:
    """Else a query would find rows of another key, whose text begins alike."""
    own = [place("a", one) for one in ("", "\x00", "\x01", "z")]
    others = [place(one, "x") for one in ("", "a\x00", "a\x01", "a!", "aa", "b")]
    assert not [one for one in others if min(own) <= one <= max(own)]


def test_state_of_format_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = Database(path, "1")
    keys = {"clip": "10", "a b/ü": "-2.5"}
    for name, number in keys.items():
        old = json.dumps([["S", name], ["N", number]])
        database.put(RowKey("dynamodb-item", "table", old), lambda name=name: name.encode())
    database.put(RowKey("s3-object", "bucket", '["k","null"]'), lambda: b"other")
    database._connection.execute("PRAGMA user_version=1")
    database.close()

    database = Database(path, "1")

    expected = {place(name, number, kind="N"): name.encode() for name, number in keys.items()}
    assert dict(database.span("dynamodb-item", "table")) == expected
    assert dict(database.span("s3-object", "bucket")) == {'["k","null"]': b"other"}
    database.close()
    assert Database(path, "1").count() == {"dynamodb-item": 2, "s3-object": 1}


@pytest.fixture(params=["on disk", "memory"])
def emulator(own_emulator: Any, request: pytest.FixtureRequest) -> Any:
    if request.param == "on disk":
        own_emulator.extra["IMAGE_FUNCTIONS_STATE"] = str(own_emulator.folder / "state")
    own_emulator.start()
    return own_emulator


def make_table(dynamodb: Any, name: str, sort: str | None = None, **settings: Any) -> None:
    keys = {"h": "S"} | ({"r": sort} if sort else {})
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()
        ],
        KeySchema=[
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        **settings,
    )


def put_all(dynamodb: Any, table: str, items: list[dict[str, Any]]) -> None:
    for start in range(0, len(items), 25):
        writes = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: writes})


def test_items_on_disk_behave_like_items(emulator: Any) -> None:
    """In one emulator, for a start of its own takes each longer than it does."""
    dynamodb = emulator.client("dynamodb")
    make_table(dynamodb, "numbers", "N")
    numbers = [-30, -2, 0, 1, 9, 10, 100]
    put_all(dynamodb, "numbers", [{"h": {"S": "a"}, "r": {"N": str(n)}} for n in numbers])
    put_all(dynamodb, "numbers", [{"h": {"S": "a!"}, "r": {"N": "5"}}])
    _pages_come_in_order(dynamodb, numbers)
    _a_condition_lets_one_through(emulator, dynamodb)
    _a_transaction_that_fails_has_changed_nothing(dynamodb)
    _an_index_and_a_statement_find_rows(dynamodb)
    _a_restored_backup_is_as_the_table_was(dynamodb)
    _a_table_made_anew_is_empty(dynamodb)
    _a_row_takes_disk_and_no_memory(emulator, dynamodb)


def _pages_come_in_order(dynamodb: Any, numbers: list[int]) -> None:
    pages = dynamodb.get_paginator("scan").paginate(
        TableName="numbers", PaginationConfig={"PageSize": 3}
    )
    rows = [row for page in pages for row in page["Items"]]
    found = [(row["h"]["S"], int(row["r"]["N"])) for row in rows]
    assert found == [("a", number) for number in numbers] + [("a!", 5)]
    query = {
        "TableName": "numbers",
        "KeyConditionExpression": "h = :h AND r BETWEEN :from AND :to",
        "ExpressionAttributeValues": {":h": {"S": "a"}, ":from": {"N": "-2"}, ":to": {"N": "10"}},
        "ScanIndexForward": False,
        "PaginationConfig": {"PageSize": 2},
    }
    rows = [
        row for page in dynamodb.get_paginator("query").paginate(**query) for row in page["Items"]
    ]
    assert [int(row["r"]["N"]) for row in rows] == [10, 9, 1, 0, -2]
    assert dynamodb.describe_table(TableName="numbers")["Table"]["ItemCount"] == len(numbers) + 1


def _a_condition_lets_one_through(emulator: Any, dynamodb: Any) -> None:
    make_table(dynamodb, "claims")

    def claim(clip: int) -> int:
        try:
            emulator_client.update_item(
                TableName="claims",
                Key={"h": {"S": str(clip)}},
                UpdateExpression="SET won = :yes",
                ConditionExpression="attribute_not_exists(won)",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )
        except emulator_client.exceptions.ConditionalCheckFailedException:
            return 0
        return 1

    emulator_client = emulator.client("dynamodb")
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(claim, [clip for clip in range(25) for _ in range(8)]))
    assert sum(claims) == 25


def _a_transaction_that_fails_has_changed_nothing(dynamodb: Any) -> None:
    before = dynamodb.scan(TableName="numbers")["Items"]
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "claims", "Item": {"h": {"S": "new"}}}},
                {"Delete": {"TableName": "numbers", "Key": before[0]}},
                {
                    "ConditionCheck": {
                        "TableName": "claims",
                        "Key": {"h": {"S": "1"}},
                        "ConditionExpression": "attribute_not_exists(h)",
                    }
                },
            ]
        )
    assert dynamodb.scan(TableName="numbers")["Items"] == before
    assert "Item" not in dynamodb.get_item(TableName="claims", Key={"h": {"S": "new"}})


def _an_index_and_a_statement_find_rows(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="indexed",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("h", "color")
        ],
        KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-color",
                "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    colors = {"1": "red", "2": "blue", "3": "red"}
    put_all(dynamodb, "indexed", [{"h": {"S": h}, "color": {"S": c}} for h, c in colors.items()])
    put_all(dynamodb, "indexed", [{"h": {"S": "colorless"}}])
    found = dynamodb.query(
        TableName="indexed",
        IndexName="by-color",
        KeyConditionExpression="color = :c",
        ExpressionAttributeValues={":c": {"S": "red"}},
    )["Items"]
    assert [row["h"]["S"] for row in found] == ["1", "3"]
    scanned = dynamodb.scan(TableName="indexed", IndexName="by-color")["Items"]
    assert {row["h"]["S"] for row in scanned} == set(colors)
    dynamodb.execute_statement(Statement="DELETE FROM \"indexed\" WHERE h = '1'")
    kept = dynamodb.execute_statement(Statement='SELECT * FROM "indexed"')["Items"]
    assert [row["h"]["S"] for row in kept] == ["2", "3", "colorless"]


def _a_restored_backup_is_as_the_table_was(dynamodb: Any) -> None:
    backup = dynamodb.create_backup(TableName="indexed", BackupName="backup")["BackupDetails"]
    dynamodb.delete_item(TableName="indexed", Key={"h": {"S": "2"}})
    dynamodb.restore_table_from_backup(TargetTableName="restored", BackupArn=backup["BackupArn"])
    rows = dynamodb.scan(TableName="restored")["Items"]
    assert [row["h"]["S"] for row in rows] == ["2", "3", "colorless"]


def _a_table_made_anew_is_empty(dynamodb: Any) -> None:
    dynamodb.delete_table(TableName="claims")
    make_table(dynamodb, "claims")
    assert dynamodb.scan(TableName="claims")["Count"] == 0


def _a_row_takes_disk_and_no_memory(emulator: Any, dynamodb: Any) -> None:
    make_table(dynamodb, "ledger")

    def put_clips(first: int, last: int) -> int:
        put_all(dynamodb, "ledger", [a_clip(number) for number in range(first, last)])
        return int(psutil.Process(emulator.process.pid).memory_info().rss)

    before = put_clips(0, 1000)  # what is made once is made
    after = put_clips(1000, 6000)
    assert (after - before) / 5000 < ROW_BYTES
    assert dynamodb.scan(TableName="ledger", Select="COUNT", Limit=10)["Count"] == 10


def a_clip(number: int) -> dict[str, Any]:
    """A row as facelab's function leaves it."""
    key = f"clips/pi-1/2026-01-01/20260101T000000.{number:09d}-abcdef.h264"
    return {
        "h": {"S": f"{key}|{number:032x}"},
        "status": {"S": "answered"},
        "object_key": {"S": key},
        "request_id": {"S": f"{number:08x}-0000-4000-8000-{os.getpid():012x}"},
        "lease_until": {"N": str(time.time())},
        "expires_at": {"N": str(int(time.time()) + 604_800)},
        "person_ids": {"SS": ["ada-lovelace"]},
    }
