"""The reconciler's outside world: the bucket's list, the dead letters, the function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from contract.clips import PREFIX
from events import ClipRef, clip_ref, clips_in
from reconcile_event import event_for
from reconciling import Letter, Listed

MOST_LETTERS = 1000
HIDDEN_S = 300  # as long as a run may take


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
                yield Letter(
                    message["MessageId"],
                    message["ReceiptHandle"],
                    clips_of_letter(message["Body"]),
                )

    def put_back(self, letter: Letter) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
        )

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)

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
