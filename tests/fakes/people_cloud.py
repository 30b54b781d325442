# ruff: noqa: N803  (the arguments are called as boto3 calls them)
"""S3, DynamoDB and SQS in memory, as far as the people of a lab are concerned.

Only the calls that facelab makes, with the behavior it relies on: object versions, conditional
writes, messages that stay out of sight once received.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from contract.names import Names


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class Pages:
    """A paginator of one page, made by the call itself."""

    def __init__(self, call: Any):
        self._call = call

    def paginate(self, PaginationConfig: Any = None, **arguments: Any) -> list[dict[str, Any]]:
        return [self._call(**arguments)]


@dataclass
class FakeS3:
    """`objects[key]` has (version id, data), the newest last."""

    versioned: bool = False
    objects: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def put_object(self, Key: str, Body: Any, **conditions: Any) -> None:
        newest = self.objects.get(Key, [])[-1:]
        etag = f'"{hash(newest[0][1])}"' if newest else None
        if conditions.get("IfMatch", etag) != etag or ("IfNoneMatch" in conditions and newest):
            raise refused("PreconditionFailed", "PutObject")
        data = Body if isinstance(Body, bytes) else Body.read()
        version = (f"v{next(self.numbers)}" if self.versioned else "null", data)
        self.objects[Key] = [*(self.objects.get(Key, []) if self.versioned else []), version]

    def get_object(self, Key: str, VersionId: str | None = None, **_: Any) -> dict[str, Any]:
        for version, data in reversed(self.objects.get(Key, [])):
            if VersionId in (None, version):
                return {"Body": io.BytesIO(data), "ETag": f'"{hash(data)}"'}
        raise refused("NoSuchKey", "GetObject")

    def delete_object(self, Key: str, VersionId: str, **_: Any) -> None:
        left = [one for one in self.objects.get(Key, []) if one[0] != VersionId]
        self.objects.pop(Key, None)
        if left:
            self.objects[Key] = left

    def list_objects_v2(self, Prefix: str = "", **_: Any) -> dict[str, Any]:
        return {
            "Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]
        }

    def list_object_versions(self, Prefix: str, **_: Any) -> dict[str, Any]:
        return {
            "Versions": [
                {"Key": key, "VersionId": version, "IsLatest": version == versions[-1][0]}
                for key, versions in sorted(self.objects.items())
                if key.startswith(Prefix)
                for version, _ in versions
            ]
        }

    def get_paginator(self, operation: str) -> Pages:
        return Pages(getattr(self, operation))


@dataclass
class FakeDynamoDb:
    """`tables[name][key]` is an item; the key is its first of `person_id` and `clip`."""

    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def scan(self, TableName: str, **filters: Any) -> dict[str, Any]:
        items = list(self.tables.get(TableName, {}).values())
        if "FilterExpression" in filters:
            assert filters["FilterExpression"] == "contains(person_ids, :person)"
            (wanted,) = filters["ExpressionAttributeValues"].values()
            items = [i for i in items if wanted["S"] in i.get("person_ids", {}).get("SS", ())]
        return {"Items": items}

    def put_item(self, TableName: str, Item: dict[str, Any], **condition: Any) -> None:
        table = self.tables.setdefault(TableName, {})
        key = (Item.get("person_id") or Item["clip"])["S"]
        there = table.get(key)
        expected = condition.get("ExpressionAttributeValues", {}).get(":name")
        as_it_was_seen = there["name"] == expected if there else expected is None
        if condition and not as_it_was_seen:
            raise refused("ConditionalCheckFailedException", "PutItem")
        table[key] = Item

    def delete_item(self, TableName: str, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        item = self.tables.get(TableName, {}).pop(Key["person_id"]["S"], None)
        return {"Attributes": item} if item else {}

    def update_item(self, TableName: str, Key: dict[str, Any], **change: Any) -> None:
        assert change["UpdateExpression"] == "DELETE person_ids :person"
        item = self.tables[TableName][Key["clip"]["S"]]
        (gone,) = change["ExpressionAttributeValues"][":person"]["SS"]
        item["person_ids"]["SS"].remove(gone)
        if not item["person_ids"]["SS"]:
            del item["person_ids"]

    def get_paginator(self, operation: str) -> Pages:
        return Pages(getattr(self, operation))


@dataclass
class FakeSqs:
    """`queues[name]` has the bodies that wait; what was received is `hidden` until released."""

    queues: dict[str, list[str]] = field(default_factory=dict)
    hidden: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def list_queues(self, QueueNamePrefix: str) -> dict[str, Any]:
        return {"QueueUrls": [name for name in self.queues if name.startswith(QueueNamePrefix)]}

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        self.queues[QueueUrl].append(MessageBody)

    def receive_message(self, QueueUrl: str, **_: Any) -> dict[str, Any]:
        taken, self.queues[QueueUrl] = self.queues[QueueUrl][:10], self.queues[QueueUrl][10:]
        rows = []
        for body in taken:
            receipt = f"receipt-{next(self.numbers)}"
            self.hidden[receipt] = (QueueUrl, body)
            rows.append({"Body": body, "ReceiptHandle": receipt})
        return {"Messages": rows} if rows else {}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        del self.hidden[ReceiptHandle]

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> None:
        for entry in Entries:
            url, body = self.hidden.pop(entry["ReceiptHandle"])
            self.queues[url].append(body)

    def everything(self) -> list[str]:
        return [
            *itertools.chain(*self.queues.values()),
            *(body for _, body in self.hidden.values()),
        ]

    def get_paginator(self, operation: str) -> Pages:
        return Pages(getattr(self, operation))


@dataclass
class PeopleCloud:
    """In place of a `Switch`."""

    s3: FakeS3 = field(default_factory=FakeS3)
    dynamodb: FakeDynamoDb = field(default_factory=FakeDynamoDb)
    sqs: FakeSqs = field(default_factory=FakeSqs)
    names: Names = field(default_factory=Names)
    bucket: str = "bucket"

    def client(self, service: str) -> Any:
        return getattr(self, service)
