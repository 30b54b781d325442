"""The function's outside world: S3, DynamoDB and SQS, each behind the few calls we need."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from contract.names import Names
from contract.results import Person, Result
from events import ClipRef

MOST_KEYS = 100  # that one BatchGetItem takes
LOOK_UPS = 6
DEFAULT_DEVICE = "lab"


class StoreError(Exception):
    """The cloud did not do what the function needs; the invocation is to be retried."""


class ClipGone(StoreError):
    """The content was deleted or replaced between the event and the read."""


class ClipOversize(StoreError):
    """The object has more bytes than a clip may have; they were not read."""


class NotSent(StoreError):
    """A result was refused, so it is certain not to be in any queue."""


class UnknownDevice(NotSent):
    """No result queue for this device. Hint: `make device-add DEVICE=…`."""


@dataclass(frozen=True)
class StoredClip:
    """An object as it was read. `etag` is without quotes."""

    data: bytes
    metadata: dict[str, str]
    etag: str = ""


def make_clients() -> tuple[Any, Any, Any]:
    """(s3, dynamodb, sqs) clients; the environment decides whether that is AWS.

    Keep-alive spares a TCP handshake per clip; path-style addressing is what an emulator
    without wildcard DNS needs, and AWS takes it only from the default resolver. boto3, which
    would do the same, takes a tenth of a second to import.
    """
    config = Config(tcp_keepalive=True, retries={"mode": "standard", "max_attempts": 3})
    session = Session()
    s3 = session.create_client("s3", config=config.merge(Config(s3={"addressing_style": "auto"})))
    if s3.meta.endpoint_url and ".amazonaws." not in s3.meta.endpoint_url:
        path = Config(s3={"addressing_style": "path"})
        s3 = session.create_client("s3", config=config.merge(path))
    dynamodb = session.create_client("dynamodb", config=config)
    return s3, dynamodb, session.create_client("sqs", config=config)


class ClipStore:
    """Clips in S3."""

    def __init__(self, s3: Any):
        self._s3 = s3

    def fetch(self, ref: ClipRef, max_bytes: int) -> StoredClip:
        """The bytes and user metadata of exactly the content that `ref` names.

        Raises
        ------
        ClipGone
            When that content is not there any more: deleted, or another was written over it.
        ClipOversize
            When it has more than `max_bytes`; they are not read.
        """
        which: dict[str, str] = {}
        if ref.version_id:
            which["VersionId"] = ref.version_id
        elif ref.etag:
            which["IfMatch"] = f'"{ref.etag}"'
        try:
            answer = self._s3.get_object(Bucket=ref.bucket, Key=ref.object_key, **which)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"):
                raise ClipGone("deleted before it could be read") from error
            if code in ("PreconditionFailed", "412"):
                raise ClipGone("written over before it could be read") from error
            raise
        with answer["Body"] as body:
            if answer["ContentLength"] > max_bytes:
                raise ClipOversize(f"{answer['ContentLength']} bytes")
            return StoredClip(
                body.read(), answer.get("Metadata", {}), answer.get("ETag", "").strip('"')
            )


class People:
    """The people table."""

    def __init__(
        self, dynamodb: Any, table: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._sleep = sleep

    def look_up(self, person_ids: Iterable[str]) -> dict[str, Person]:
        """Rows for `person_ids`; an id without a row (forgotten meanwhile) is left out.

        Raises
        ------
        StoreError
            When the table keeps handing keys back unread.
        """
        keys = [{"person_id": {"S": one}} for one in sorted(set(person_ids))]
        rows = rows_by_key(self._dynamodb, self._table, keys, self._sleep)
        people = map(_person, rows)
        return {person.person_id: person for person in people}


def rows_by_key(
    dynamodb: Any,
    table: str,
    keys: list[dict[str, Any]],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """The rows that exist, however many keys there are.

    Raises
    ------
    StoreError
        When the table keeps handing keys back unread.
    """
    for start in range(0, len(keys), MOST_KEYS):
        asked = keys[start : start + MOST_KEYS]
        for attempt in range(LOOK_UPS):
            if attempt:
                sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311  spreads load
            answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": asked}})
            yield from answer["Responses"].get(table, ())
            asked = (answer.get("UnprocessedKeys") or {}).get(table, {}).get("Keys", [])
            if not asked:
                break
        else:
            raise StoreError(f"{table} handed {len(asked)} keys back {LOOK_UPS} times")


def _person(row: dict[str, Any]) -> Person:
    """A row made by hand may lack what `enroll` writes; the person is then called by their id."""
    text = {name: str(next(iter(value.values()))) for name, value in row.items()}
    person_id = text["person_id"]
    return Person(
        person_id, text.get("name") or person_id, text.get("major", ""), text.get("year", "")
    )


class ResultQueues:
    """The queue of each device."""

    def __init__(self, sqs: Any, names: Names):
        self._sqs = sqs
        self._names = names
        self._urls: dict[str, str] = {}

    def warm_up(self) -> None:
        """Open the connection, by looking up a queue that most labs have."""
        self._url(DEFAULT_DEVICE)

    def reach(self, device_id: str) -> None:
        """Look the device's queue up, unless that was done before.

        Raises
        ------
        UnknownDevice
            When that device has no queue.
        """
        self._url(device_id)

    def send(self, result: Result) -> None:
        """Send `result` to the queue of its device.

        Raises
        ------
        UnknownDevice
            When that device has no queue.
        NotSent
            When SQS refused it. After any other error it may be in the queue all the same.
        """
        try:
            self._sqs.send_message(
                QueueUrl=self._url(result.device_id), MessageBody=result.to_json()
            )
        except self._sqs.exceptions.QueueDoesNotExist as error:
            self._urls.pop(result.device_id, None)  # it may come back at another address
            if not _was_refused(error):
                raise
            raise UnknownDevice(f"device {result.device_id!r} has no queue any more") from error
        except ClientError as error:
            if _was_refused(error):
                raise NotSent(f"no result of {result.key!r} was taken: {error}") from error
            raise

    def _url(self, device_id: str) -> str:
        if device_id not in self._urls:
            name = self._names.result_queue(device_id)
            try:
                self._urls[device_id] = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            except self._sqs.exceptions.QueueDoesNotExist as error:
                raise UnknownDevice(f"device {device_id!r} has no queue {name!r}") from error
        return self._urls[device_id]


def _was_refused(error: ClientError) -> bool:
    """Whether AWS itself said so, to the only try: an earlier one may have been taken."""
    said = error.response.get("ResponseMetadata", {})
    is_refusal = 400 <= said.get("HTTPStatusCode", 0) < 500 and bool(said.get("RequestId"))
    return is_refusal and not said.get("RetryAttempts")
