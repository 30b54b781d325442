"""What a lab holds beyond what is deployed: its objects, rows, messages and devices."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cloud.listing import every
from cloud.switch import Switch
from contract.names import TOMBSTONES_KEY
from scripts.console import Progress
from scripts.errors import LabError
from scripts.lab.readiness import UNPROXIED
from scripts.provision.devices import add_device, device_ids, remove_device

QUIET_HEADER = "x-image-functions-quiet"
Row = dict[str, Any]
"""An item as DynamoDB's API writes it."""


class LabUnavailable(LabError):
    """The emulator does not do what this needs."""


@dataclass(frozen=True)
class StoredObject:
    """An object of the lab's bucket."""

    key: str
    body: bytes
    metadata: dict[str, str]
    content_type: str


class Contents:
    """Reads, empties and fills the lab that a switch leads to."""

    def __init__(self, switch: Switch, progress: Progress):
        if switch.is_aws:
            raise LabUnavailable(
                "this would replace what is on AWS", "FACELAB_BACKEND=embedded or docker"
            )
        self._switch = switch
        self._progress = progress
        self._s3 = switch.client("s3")
        self._sqs = switch.client("sqs")
        self._dynamodb = switch.client("dynamodb")
        self._quiet_s3 = switch.client("s3")
        self._quiet_s3.meta.events.register("before-sign.s3.PutObject", _quieten)

    def devices(self) -> list[str]:
        return device_ids(self._switch, self._progress)

    def objects(self) -> Iterator[StoredObject]:
        for key in self._keys():
            found = self._s3.get_object(Bucket=self._switch.bucket, Key=key)
            yield StoredObject(key, found["Body"].read(), found["Metadata"], found["ContentType"])

    def rows(self, table: str) -> Iterator[Row]:
        return every(self._dynamodb, "scan", "Items", TableName=table)

    def messages(self, queue: str) -> list[str]:
        """The bodies of what waits in a queue, without receiving it."""
        query = {
            "QueueUrl": self._queue_url(queue),
            "ShowInvisible": "true",
            "ShowDelayed": "true",
        }
        request = urllib.request.Request(  # noqa: S310  the emulator's own address
            f"{self._switch.endpoint_url}/_aws/sqs/messages?{urllib.parse.urlencode(query)}",
            headers={"Accept": "application/json"},
        )
        with UNPROXIED.open(request, timeout=60) as answer:
            found = json.load(answer)["ReceiveMessageResponse"]["ReceiveMessageResult"]
        messages = (found or {}).get("Message") or []
        return [one["Body"] for one in (messages if isinstance(messages, list) else [messages])]

    def empty(self) -> None:
        """Remove everything, once no function is at work any more."""
        self._end_events()
        for device_id in self.devices():
            if device_id != self._switch.device_id:
                remove_device(self._switch, device_id, self._progress)
        names = self._switch.names
        keys = list(self._keys())
        for some in _batches(keys, 1000):
            self._s3.delete_objects(
                Bucket=self._switch.bucket,
                Delete={"Objects": [{"Key": key} for key in some], "Quiet": True},
            )
        for table, key in ((names.people_table, "person_id"), (names.ledger_table, "clip")):
            deletes = [
                {"DeleteRequest": {"Key": {key: row[key]}}} for row in list(self.rows(table))
            ]
            self._write(table, deletes)
        for queue in (names.dead_letters, names.result_queue(self._switch.device_id)):
            self._sqs.purge_queue(QueueUrl=self._queue_url(queue))
        self._empty_log()

    def add_device(self, device_id: str) -> None:
        add_device(self._switch, device_id, self._progress)

    def put(self, one: StoredObject, quietly: bool) -> None:
        """Put an object; `quietly` without the event that would have it looked at."""
        (self._quiet_s3 if quietly else self._s3).put_object(
            Bucket=self._switch.bucket,
            Key=one.key,
            Body=one.body,
            Metadata=one.metadata,
            ContentType=one.content_type,
        )

    def put_rows(self, table: str, rows: Iterable[Row]) -> None:
        self._write(table, [{"PutRequest": {"Item": row}} for row in rows])

    def send(self, queue: str, bodies: Iterable[str]) -> None:
        url = self._queue_url(queue)
        for body in bodies:
            self._sqs.send_message(QueueUrl=url, MessageBody=body)

    def _keys(self) -> Iterator[str]:
        rows = every(self._s3, "list_objects_v2", "Contents", Bucket=self._switch.bucket)
        keys = (row["Key"] for row in rows)
        # Who was forgotten stays forgotten, whatever comes or goes.
        return (key for key in keys if key != TOMBSTONES_KEY)

    def _write(self, table: str, requests: list[dict[str, Any]]) -> None:
        for some in _batches(requests, 25):
            left = {table: some}
            while left:
                left = self._dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]

    def _queue_url(self, name: str) -> str:
        return str(self._sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def _end_events(self) -> None:
        request = urllib.request.Request(  # noqa: S310  the emulator's own address
            f"{self._switch.endpoint_url}/_aws/image-functions/events", method="DELETE"
        )
        try:
            with UNPROXIED.open(request, timeout=60) as answer:
                done = json.load(answer)
        except OSError as error:
            raise LabUnavailable(
                f"the emulator can't drop its events: {error}",
                "`make up` with facelab's own LocalStack",
            ) from error
        if not done["idle"]:
            raise LabUnavailable(
                "a function is still at work", "wait until the cameras have stopped, then again"
            )

    def _empty_log(self) -> None:
        logs, group = self._switch.client("logs"), self._switch.names.log_group
        for row in list(every(logs, "describe_log_streams", "logStreams", logGroupName=group)):
            logs.delete_log_stream(logGroupName=group, logStreamName=row["logStreamName"])


def _quieten(request: Any, **_: Any) -> None:
    request.headers[QUIET_HEADER] = "1"


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
