"""Results that wait in the devices' queues, without a person who was forgotten."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cloud.listing import every
from cloud.switch import Switch
from contract.results import Face, Identity, InvalidResult, Result, Status, clip_status

# Long enough to look through a queue; what a killed run holds comes back after that.
_HELD_S = 120
_LOOKING_S = 90
_BATCH = 10


def without_person(result: Result, person_id: str) -> Result:
    """The result as the function would send it today: nobody has that name any more."""
    if not result.faces:
        return result
    faces = tuple(_face(face, person_id) for face in result.faces)
    return replace(result, faces=faces, status=clip_status(face.status for face in faces))


def _face(face: Face, person_id: str) -> Face:
    named = face.person_id == person_id
    return replace(
        face,
        person_id=None if named else face.person_id,
        status=Status.UNKNOWN if named else face.status,
        online=_identity(face.online, person_id),
        custom=_identity(face.custom, person_id),
    )


def _identity(identity: Identity, person_id: str) -> Identity:
    if identity.person is None or identity.person.person_id != person_id:
        return identity
    return replace(identity, person=None, status=Status.UNKNOWN)


@dataclass(frozen=True)
class _Message:
    body: str
    receipt: str


class QueuedResults:
    """The result queues of one lab's devices."""

    def __init__(self, switch: Switch):
        self._sqs = switch.client("sqs")
        self._prefix = switch.names.result_queues

    def redact(self, person_id: str) -> int:
        """Take the person out of every result that waits; how many named them.

        A queue's messages can't be changed: a result goes in again without the person, and
        only then the one that named them is deleted. Every clip keeps its outcome.
        """
        return sum(self._redact_queue(url, person_id) for url in self._queues())

    def _queues(self) -> list[str]:
        return list(every(self._sqs, "list_queues", "QueueUrls", QueueNamePrefix=self._prefix))

    def _redact_queue(self, url: str, person_id: str) -> int:
        count, others = 0, []
        for message in self._waiting(url):
            clean = _redacted(message.body, person_id)
            if clean == message.body:
                others.append(message)
                continue
            if clean is not None:
                self._sqs.send_message(QueueUrl=url, MessageBody=clean)
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message.receipt)
            count += 1
        for start in range(0, len(others), _BATCH):
            self._release(url, others[start : start + _BATCH])
        return count

    def _waiting(self, url: str) -> Iterator[_Message]:
        """Every message, each once, out of the device's sight meanwhile."""
        deadline = time.monotonic() + _LOOKING_S
        while time.monotonic() < deadline:
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=_HELD_S,
                # A short look asks only some of SQS's servers.
                WaitTimeSeconds=1,
            )
            rows = answer.get("Messages", ())
            if not rows:
                return
            yield from (_Message(row["Body"], row["ReceiptHandle"]) for row in rows)

    def _release(self, url: str, messages: list[_Message]) -> None:
        entries: list[dict[str, Any]] = [
            {"Id": str(number), "ReceiptHandle": one.receipt, "VisibilityTimeout": 0}
            for number, one in enumerate(messages)
        ]
        self._sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def _redacted(body: str, person_id: str) -> str | None:
    """The message without the person; None for one that names them and is no result.

    No program could show such a message, and nothing of the person may stay in it.
    """
    if person_id not in body:
        return body
    try:
        result = Result.from_json(body)
    except InvalidResult:
        return None
    clean = without_person(result, person_id)
    return body if clean == result else clean.to_json()
