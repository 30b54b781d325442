"""The function's outside world: S3, DynamoDB and SQS, each behind the few calls we need."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from contract.clips import ClipKey
from contract.names import Names
from contract.results import Person, Result

LEDGER_DAYS = 7


class StoreError(Exception):
    """The cloud did not do what the function needs; the invocation is to be retried."""


class ClipGone(StoreError):
    """The object was deleted between the event and the read."""


class UnknownDevice(StoreError):
    """No result queue for this device. Hint: `make device-add DEVICE=…`."""


class ClipInProgress(StoreError):
    """Another invocation is working on this clip; a retry will find it answered."""


class Claim(Enum):
    """What the ledger says when an invocation asks for a clip."""

    OURS = "ours"
    ANSWERED = "answered"


@dataclass(frozen=True)
class StoredClip:
    data: bytes
    metadata: dict[str, str]


def make_clients() -> tuple[Any, Any, Any]:
    """(s3, dynamodb, sqs) clients; the environment decides whether that is AWS.

    Keep-alive spares a TCP handshake per clip; path-style addressing is what an emulator
    without wildcard DNS needs, and AWS takes it only from the default resolver.
    """
    config = Config(tcp_keepalive=True, retries={"mode": "standard", "max_attempts": 3})
    session = boto3.session.Session()
    s3 = session.client("s3", config=config.merge(Config(s3={"addressing_style": "auto"})))
    if s3.meta.endpoint_url and ".amazonaws." not in s3.meta.endpoint_url:
        s3 = session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))
    return s3, session.client("dynamodb", config=config), session.client("sqs", config=config)


class ClipStore:
    """Clips in S3."""

    def __init__(self, s3: Any):
        self._s3 = s3

    def fetch(self, bucket: str, object_key: str) -> StoredClip:
        """The clip's bytes and user metadata.

        Raises
        ------
        ClipGone
            When there is no such object any more.
        """
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=object_key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise ClipGone(f"{object_key} is not in {bucket} any more") from error
            raise
        return StoredClip(answer["Body"].read(), answer.get("Metadata", {}))


class People:
    """The people table."""

    def __init__(self, dynamodb: Any, table: str):
        self._dynamodb = dynamodb
        self._table = table

    def look_up(self, person_ids: Iterable[str]) -> dict[str, Person]:
        """Rows for `person_ids`; an id without a row (forgotten meanwhile) is left out."""
        pending = {
            self._table: {"Keys": [{"person_id": {"S": one}} for one in sorted(set(person_ids))]}
        }
        found: dict[str, Person] = {}
        while pending and pending[self._table]["Keys"]:
            answer = self._dynamodb.batch_get_item(RequestItems=pending)
            for row in answer["Responses"].get(self._table, ()):
                text = {name: next(iter(value.values())) for name, value in row.items()}
                person = Person(
                    text["person_id"], text["name"], text.get("major", ""), text.get("year", "")
                )
                found[person.person_id] = person
            pending = answer.get("UnprocessedKeys") or {}
        return found


class Ledger:
    """One row per clip, so that however often an event repeats, one answer counts.

    A row is `started` with a lease, then `answered`, which only follows a successful send:
    a function killed in between leaves a lease that runs out, and the retry answers.
    """

    def __init__(self, dynamodb: Any, table: str):
        self._dynamodb = dynamodb
        self._table = table

    def claim(self, key: ClipKey, request_id: str, lease_s: float) -> Claim:
        """Claim a clip for `lease_s` seconds.

        Lambda repeats a failed asynchronous invocation under the same request id, so a
        claim by the same request is a retry, not a rival.

        Raises
        ------
        ClipInProgress
            While another request's lease holds.
        """
        now = time.time()
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=self._row(key),
                UpdateExpression=(
                    "SET #status = :started, lease_until = :lease, request_id = :request,"
                    " expires_at = :expires"
                ),
                ConditionExpression=(
                    "attribute_not_exists(clip) OR (#status = :started AND"
                    " (lease_until < :now OR request_id = :request))"
                ),
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":started": {"S": "started"},
                    ":lease": {"N": f"{now + lease_s:.3f}"},
                    ":now": {"N": f"{now:.3f}"},
                    ":request": {"S": request_id},
                    ":expires": {"N": str(int(now) + LEDGER_DAYS * 86400)},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            row = error.response.get("Item", {})
            if row.get("status", {}).get("S") == "answered":
                return Claim.ANSWERED
            raise ClipInProgress(f"{key} is being worked on by another invocation") from error
        return Claim.OURS

    def answered(self, key: ClipKey, object_key: str, person_ids: Iterable[str]) -> None:
        """Close the row. It keeps who was named, so that `forget` finds a person's clips."""
        seen = sorted(set(person_ids))
        self._dynamodb.update_item(
            TableName=self._table,
            Key=self._row(key),
            UpdateExpression=(
                "SET #status = :answered, object_key = :object"
                + (", person_ids = :people" if seen else "")
            ),
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":answered": {"S": "answered"},
                ":object": {"S": object_key},
                **({":people": {"SS": seen}} if seen else {}),
            },
        )

    @staticmethod
    def _row(key: ClipKey) -> dict[str, Any]:
        return {"clip": {"S": f"{key.device_id}/{key.clip_id}"}}


class ResultQueues:
    """The queue of each device."""

    def __init__(self, sqs: Any, names: Names):
        self._sqs = sqs
        self._names = names
        self._urls: dict[str, str] = {}

    def send(self, result: Result) -> None:
        """Send `result` to the queue of its device.

        Raises
        ------
        UnknownDevice
            When that device has no queue.
        """
        self._sqs.send_message(QueueUrl=self._url(result.device_id), MessageBody=result.to_json())

    def _url(self, device_id: str) -> str:
        if device_id not in self._urls:
            name = self._names.result_queue(device_id)
            try:
                self._urls[device_id] = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            except self._sqs.exceptions.QueueDoesNotExist as error:
                raise UnknownDevice(f"device {device_id!r} has no queue {name!r}") from error
        return self._urls[device_id]
