"""What becomes of an event that failed in all its attempts: Lambda, or its queue, hands it over.

For each of its clips the ledger decides. One that never came to its claim gets a letter. One whose
result may be out gets none, ever: it is sent again, until the ledger knows that it was answered.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from events import ClipRef, clips_in
from ledger import Row, State
from reconcile_event import event_for, is_sent_again
from reconciling import Resender, Turn

LOG = logging.getLogger(__name__)


class LetterRows(Protocol):
    def give_up(self, ref: ClipRef, request_id: str, lease_s: float) -> Row | None: ...
    def note_letter(self, ref: ClipRef, request_id: str) -> object: ...
    def free(self, ref: ClipRef, dead_request_id: str) -> bool: ...


class LetterBox(Protocol):
    def send(self, body: str) -> None: ...


@dataclass
class Settled:
    """What became of the event's clips, by their keys."""

    letters: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


class FailedEvents:
    """Brings the clips of failed events to their outcome."""

    def __init__(
        self, ledger: LetterRows, letters: LetterBox, sender: Resender, turn: Turn
    ) -> None:
        self._ledger = ledger
        self._letters = letters
        self._sender = sender
        self._turn = turn

    def settle(self, failed: Mapping[str, Any]) -> Settled:
        """`failed` is what Lambda sends to a destination for failures.

        Raises
        ------
        Exception
            The first error, after all clips were tried; the same event may come again.
        """
        done, errors = Settled(), []
        refs, rest = sorted_out(failed.get("requestPayload"))
        for ref in refs:
            try:
                self._settle(ref, failed, is_alone=len(refs) == 1 and not rest, done=done)
            except Exception as error:
                LOG.exception("not settled: %r", ref.object_key)
                errors.append(error)
        if not refs:
            self._letters.send(json.dumps(failed))
        elif rest:
            self._letters.send(json.dumps({**failed, "requestPayload": {"Records": rest}}))
        if errors:
            raise errors[0]
        return done

    def _settle(
        self, ref: ClipRef, failed: Mapping[str, Any], is_alone: bool, done: Settled
    ) -> None:
        row = self._ledger.give_up(ref, self._turn.request_id, self._turn.lease_s())
        if row is None:
            letter = failed if is_alone else {**failed, "requestPayload": event_for(ref)}
            self._letters.send(json.dumps(letter))
            self._ledger.note_letter(ref, self._turn.request_id)
            done.letters.append(ref.object_key)
        elif self._may_have_sent(ref, row, failed) and not is_sent_again(failed["requestPayload"]):
            self._sender.send(ref)
            done.sent.append(ref.object_key)
        else:
            # Answered, or another request's to answer, or the schedule's: what was sent again
            # at once and failed again would be a circle without a pause.
            done.left.append(ref.object_key)

    def _may_have_sent(self, ref: ClipRef, row: Row, failed: Mapping[str, Any]) -> bool:
        """Whether an attempt that is over began to send: this event's own, whose lease ends then,
        or any whose lease has run out (each attempt of a queue's message is another request)."""
        if row.state is not State.STARTED:
            return False
        if row.lease_until_s <= time.time():
            return True
        dead = failed.get("requestContext", {}).get("requestId", "")
        return row.holder == dead and self._ledger.free(ref, dead)


def failed_event(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message that the function's queue gave up on, as Lambda tells a destination of a failure.

    A queue does not say what the attempts failed with.
    """
    event = message.get("body")
    if isinstance(event, str):
        with suppress(ValueError, RecursionError):
            event = json.loads(event)
    return {
        "version": "1.0",
        "requestContext": {"requestId": message["messageId"], "condition": "RetriesExhausted"},
        "requestPayload": event,
        "responsePayload": {"errorMessage": "the function's log says what each attempt met"},
    }


def sorted_out(event: Any) -> tuple[list[ClipRef], list[Any]]:
    """The event's clips, each once, and the records that name none."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    refs: dict[str, ClipRef] = {}
    rest = []
    for record in records if isinstance(records, list) else ():
        found = list(clips_in({"Records": [record]}))
        named = [one for one in found if isinstance(one, ClipRef)]
        refs.update((ref.row, ref) for ref in named)
        if found and not named:
            rest.append(record)
    return list(refs.values()), rest
