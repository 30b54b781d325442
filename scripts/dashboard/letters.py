"""The dead letters: what failed for good and why; sent again by a button."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from cloud.switch import Switch
from events import ClipRef, clips_in
from ledger import Ledger
from scripts.errors import LabError
from scripts.lab.queues import waiting

MOST_LETTERS = 20
MAX_REASON = 300
LEASE_S = 60.0  # far longer than these few calls take


class LetterGone(LabError):
    """The letter is no longer its clip's outcome: sent again, or taken back, by somebody else."""


@dataclass(frozen=True)
class DeadLetter:
    """`event` is what the function was to answer, None where the letter holds another thing."""

    message_id: str
    reason: str
    keys: tuple[str, ...]
    event: dict[str, Any] | None
    receipt: str


class WaitingLetters:
    """Looks without hiding: what is read stays visible to the reconciler."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._sqs = switch.client("sqs")
        self._names = switch.names

    def count(self) -> int:
        return waiting(self._sqs, self._url())

    def peek(self) -> list[DeadLetter]:
        """Some of the letters, each once."""
        found: dict[str, DeadLetter] = {}
        for _ in range(MOST_LETTERS // 10):
            answer = self._sqs.receive_message(
                QueueUrl=self._url(), MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            messages = answer.get("Messages", ())
            known = len(found)
            for message in messages:
                letter = read_letter(
                    message["MessageId"], message["Body"], message["ReceiptHandle"]
                )
                found[letter.message_id] = letter
            if len(messages) < 10 or len(found) == known:
                break
        return list(found.values())

    def send_again(self, message_id: str) -> None:
        """Take the letter away, then give the function its event once more, as often as asked for.

        Whoever is stopped in between loses nothing: the reconciler finds a clip without an
        outcome. Until the letter is gone the ledger lets nobody answer.

        Raises
        ------
        LetterGone
        """
        letter = next((one for one in self.peek() if one.message_id == message_id), None)
        if letter is None or letter.event is None:
            raise LetterGone("this letter is not there any more, or holds no event")
        ledger = Ledger(self._switch.client("dynamodb"), self._names.ledger_table)
        clips = [one for one in clips_in(letter.event) if isinstance(one, ClipRef)]
        request_id = f"by hand {uuid.uuid4()}"
        for ref in clips:
            if not ledger.take_back(ref, request_id, LEASE_S):
                raise LetterGone("its clip is being answered, or was, or is sent again just now")
        self._sqs.delete_message(QueueUrl=self._url(), ReceiptHandle=letter.receipt)
        for ref in clips:
            ledger.reset(ref, request_id)
        self._switch.client("lambda").invoke(
            FunctionName=self._names.function,
            InvocationType="Event",
            Payload=json.dumps(letter.event).encode(),
        )

    def _url(self) -> str:
        url: str = self._sqs.get_queue_url(QueueName=self._names.dead_letters)["QueueUrl"]
        return url


def read_letter(message_id: str, body: str, receipt: str) -> DeadLetter:
    """A letter as Lambda's failure destination writes it; anything else is shown as it is."""
    try:
        fields = json.loads(body)
        event, answer = fields["requestPayload"], fields.get("responsePayload") or {}
        condition = fields.get("requestContext", {}).get("condition", "")
        said = answer.get("errorMessage") or answer.get("errorType") or "no reason was given"
        keys = tuple(str(one["s3"]["object"]["key"]) for one in event.get("Records", ()))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return DeadLetter(message_id, f"not a failed event: {body[:MAX_REASON]}", (), None, receipt)
    reason = f"{condition}: {said}" if condition else str(said)
    return DeadLetter(message_id, reason[:MAX_REASON], keys, event, receipt)
