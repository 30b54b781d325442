"""The reconciler's outside world: the bucket's list, the ledger, the dead letters, the function."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

from contract.clips import PREFIX
from events import ClipRef, clip_ref, clips_in
from reconciling import Letter, Listed, Row
from stores import MOST_KEYS, StoreError, expiry

MOST_LETTERS = 1000
HIDDEN_S = 300  # as long as a run may take
LOOK_UPS = 6


class BucketList:
    """The clips of a bucket, as S3 lists them."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def list(self) -> Iterator[Listed]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=PREFIX
        )
        for page in pages:
            for stored in page.get("Contents", ()):
                ref = clip_ref(
                    self._bucket,
                    stored["Key"],
                    size_bytes=stored["Size"],
                    etag=stored["ETag"].strip('"'),
                )
                if ref:
                    yield Listed(ref, stored["LastModified"].timestamp())


class LedgerTable:
    """The ledger, read in bulk."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, rows: Iterable[str]) -> dict[str, Row]:
        """The rows that exist.

        Raises
        ------
        StoreError
            When the table keeps handing keys back unread.
        """
        wanted = sorted(set(rows))
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), MOST_KEYS):
            keys = [{"clip": {"S": row}} for row in wanted[start : start + MOST_KEYS]]
            for _ in range(LOOK_UPS):
                answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys}})
                for item in answer["Responses"].get(self._table, ()):
                    found[item["clip"]["S"]] = _row(item)
                keys = (answer.get("UnprocessedKeys") or {}).get(self._table, {}).get("Keys", [])
                if not keys:
                    break
            else:
                raise StoreError(f"{self._table} handed {len(keys)} keys back {LOOK_UPS} times")
        return found

    def note_sent_again(self, ref: ClipRef) -> None:
        self._dynamodb.update_item(
            TableName=self._table,
            Key={"clip": {"S": ref.row}},
            UpdateExpression="SET sent_again = :yes, expires_at = :expires",
            ExpressionAttributeValues={
                ":yes": {"BOOL": True},
                ":expires": {"N": expiry(time.time())},
            },
        )


def _row(item: dict[str, Any]) -> Row:
    return Row(
        is_answered=item.get("status", {}).get("S") == "answered",
        lease_until_s=float(item.get("lease_until", {}).get("N", 0)),
        was_sent_again=item.get("sent_again", {}).get("BOOL", False),
    )


class LetterQueue:
    """The dead letters. What is looked at is hidden meanwhile, and visible again at once."""

    def __init__(self, sqs: Any, queue: str) -> None:
        self._sqs = sqs
        self._url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def take(self) -> Iterator[Letter]:
        for _ in range(MOST_LETTERS // 10):
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_S
            )
            messages = answer.get("Messages", ())
            if not messages:
                return
            for message in messages:
                yield Letter(message["ReceiptHandle"], clips_of_letter(message["Body"]))

    def put_back(self, letter: Letter) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
        )

    def delete(self, letter: Letter) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)


def clips_of_letter(body: str) -> tuple[ClipRef, ...]:
    """The clips of the event that a dead letter carries; none where it carries another thing."""
    with suppress(ValueError, RecursionError):
        letter = json.loads(body)
        event = letter.get("requestPayload") if isinstance(letter, dict) else None
        if isinstance(event, dict):
            return tuple(one for one in clips_in(event) if isinstance(one, ClipRef))
    return ()


class FunctionInvoker:
    """Sends the function an event as S3 would."""

    def __init__(self, lambda_client: Any, function: str) -> None:
        self._lambda = lambda_client
        self._function = function

    def send(self, ref: ClipRef) -> None:
        self._lambda.invoke(
            FunctionName=self._function, InvocationType="Event", Payload=json.dumps(event_for(ref))
        )


def event_for(ref: ClipRef) -> dict[str, Any]:
    """The notification that S3 sends when `ref` is stored, as far as the function reads it."""
    stored = {"key": quote_plus(ref.object_key), "size": ref.size_bytes, "eTag": ref.etag}
    return {
        "Records": [
            {
                "eventSource": "facelab:reconcile",
                "eventName": "ObjectCreated:SentAgain",
                "s3": {"bucket": {"name": ref.bucket}, "object": stored},
            }
        ]
    }
