"""What failed for good ends in a letter, unless its result may be out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from contract.clips import ClipKey
from events import ClipRef
from failed_events import FailedEvents, failed_event
from ledger import Ledger, State
from reconcile_event import event_for, is_sent_again
from reconcile_stores import clips_of_letter
from scripts.dashboard.letters import read_letter
from tests.fakes.dynamodb import FakeDynamoDB


def clip(name: str) -> ClipRef:
    key = ClipKey("lab", "2026-11-22", name)
    return ClipRef("bucket", str(key), key, 5, etag=name, version_id=f"v{name}")


def s3_event(*names: str) -> dict:
    records = [record for name in names for record in event_for(clip(name))["Records"]]
    return {"Records": [{**record, "eventSource": "aws:s3"} for record in records]}


def failed(event: object, request: str = "r1") -> dict:
    return {
        "version": "1.0",
        "requestContext": {"requestId": request, "condition": "RetriesExhausted"},
        "requestPayload": event,
        "responsePayload": {"errorType": "UnknownDevice"},
    }


@dataclass
class Desk:
    ledger: Ledger = field(default_factory=lambda: Ledger(FakeDynamoDB(), "clips"))
    letters: list[str] = field(default_factory=list)
    sent: list[ClipRef] = field(default_factory=list)
    problem: Exception | None = None
    request_id: str = "x1"

    def lease_s(self) -> float:
        return 60.0

    def has_time(self) -> bool:
        return True

    def settle(self, event: dict):
        desk = self

        class Box:
            def send(self, body):
                if desk.problem:
                    raise desk.problem
                desk.letters.append(body)

        class Sender:
            def send(self, ref):
                desk.sent.append(ref)

        return FailedEvents(self.ledger, Box(), Sender(), self).settle(event)

    def state(self, name: str) -> State:
        row = clip(name).row
        return self.ledger.read([row])[row].state


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_clip_that_nobody_claimed_gets_the_letter_that_lambda_would_have_written(desk):
    event = failed(s3_event("a"))
    assert desk.settle(event).letters == [clip("a").object_key]
    assert [json.loads(one) for one in desk.letters] == [event]
    assert desk.state("a") is State.LETTER
    assert desk.sent == []


def test_one_whose_function_was_killed_after_its_claim_gets_none_and_is_sent_again(desk):
    desk.ledger.claim(clip("a"), "r1", 30)
    assert desk.settle(failed(s3_event("a"))).sent == [clip("a").object_key]
    assert desk.letters == []
    assert desk.sent == [clip("a")]
    assert desk.ledger.claim(clip("a"), "r2", 30).may_send, "the dead one's lease is over"


def test_what_was_sent_again_and_failed_again_waits_for_the_schedule(desk):
    desk.ledger.claim(clip("a"), "r1", 30)
    assert desk.settle(failed(event_for(clip("a")))).left == [clip("a").object_key]
    assert (desk.letters, desk.sent) == ([], [])
    assert desk.ledger.claim(clip("a"), "r2", 30).may_send


def test_one_that_another_request_is_at_is_left_to_that(desk):
    desk.ledger.claim(clip("a"), "r2", 30)
    assert desk.settle(failed(s3_event("a"))).left == [clip("a").object_key]
    assert (desk.letters, desk.sent) == ([], [])
    assert not desk.ledger.claim(clip("a"), "r3", 30).may_send, "its lease holds"


def test_one_whose_attempt_is_over_is_sent_again_whichever_request_that_was(desk):
    """Each time that a queue's message comes, it is another request's."""
    desk.ledger.claim(clip("a"), "r2", 0)
    assert desk.settle(failed(s3_event("a"), "m1")).sent == [clip("a").object_key]
    assert desk.letters == []
    desk.ledger.claim(clip("b"), "r2", 0)
    desk.ledger.answered(clip("b"), ())
    assert desk.settle(failed(s3_event("b"), "m1")).left == [clip("b").object_key]


def test_what_the_queue_gave_up_on_gets_the_letter_of_any_other(desk):
    message = {"messageId": "m1", "eventSource": "aws:sqs", "body": json.dumps(s3_event("a"))}
    assert desk.settle(failed_event(message)).letters == [clip("a").object_key]
    (letter,) = desk.letters
    assert clips_of_letter(letter) == (clip("a"),)
    told = read_letter("1", letter, "receipt")
    assert told.reason == "RetriesExhausted: the function's log says what each attempt met"
    assert told.event == s3_event("a")
    assert json.loads(letter)["requestContext"]["requestId"] == "m1"


@pytest.mark.parametrize("body", ["no event", "[" * 100_000, "", None, 5])
def test_a_message_that_holds_no_event_is_a_letter_whole(desk, body):
    desk.settle(failed_event({"messageId": "m1", "body": body}))
    (letter,) = desk.letters
    assert json.loads(letter)["requestPayload"] == body
    assert clips_of_letter(letter) == ()


def test_an_answered_one_is_dropped(desk):
    desk.ledger.claim(clip("a"), "r2", 30)
    desk.ledger.answered(clip("a"), ())
    assert desk.settle(failed(s3_event("a"))).left == [clip("a").object_key]
    assert (desk.letters, desk.sent) == ([], [])


def test_an_event_that_is_handed_over_twice_makes_one_letter(desk):
    desk.settle(failed(s3_event("a")))
    other = Desk(desk.ledger, request_id="x2")
    other.settle(failed(s3_event("a")))
    assert other.letters == []


def test_a_letter_that_could_not_be_written_is_written_when_the_event_comes_again(desk):
    desk.problem = ConnectionError()
    with pytest.raises(ConnectionError):
        desk.settle(failed(s3_event("a")))
    assert desk.state("a") is State.FAILED
    desk.problem = None
    desk.settle(failed(s3_event("a")))
    assert len(desk.letters) == 1
    assert desk.state("a") is State.LETTER


def test_each_clip_of_an_event_gets_its_own(desk):
    desk.ledger.claim(clip("b"), "r1", 30)
    done = desk.settle(failed(s3_event("a", "b", "c", "a")))
    assert done.letters == [clip(name).object_key for name in "ac"]
    assert [clips_of_letter(one) for one in desk.letters] == [(clip("a"),), (clip("c"),)]
    assert desk.sent == [clip("b")]


BROKEN = {"eventName": "ObjectCreated:Put", "s3": {"object": 5}}


def test_records_that_name_no_clip_get_a_letter_without_their_neighbors(desk):
    event = s3_event("a")
    event["Records"].append(BROKEN)
    desk.settle(failed(event))
    assert [clips_of_letter(one) for one in desk.letters] == [(clip("a"),), ()]
    assert json.loads(desk.letters[1])["requestPayload"] == {"Records": [BROKEN]}


@pytest.mark.parametrize(
    "event", [{"Records": [BROKEN]}, {"Records": []}, {"Records": 5}, {}, None, [], "text", 7]
)
def test_an_event_that_names_no_clip_is_a_letter_whole(desk, event):
    desk.settle(failed(event))
    assert [json.loads(one) for one in desk.letters] == [failed(event)]
    assert clips_of_letter(desk.letters[0]) == ()


def test_one_clip_that_fails_does_not_keep_the_others(desk):
    desk.problem = ConnectionError()
    desk.ledger.claim(clip("b"), "r1", 30)
    with pytest.raises(ConnectionError):
        desk.settle(failed(s3_event("a", "b")))
    assert desk.sent == [clip("b")]


def test_of_several_errors_the_first_is_told(desk):
    def give_up(ref: ClipRef, *_: object) -> None:
        raise ConnectionError(ref.row)

    desk.ledger.give_up = give_up
    with pytest.raises(ConnectionError, match=clip("a").row):
        desk.settle(failed(s3_event("a", "b")))


def test_ours_is_told_from_s3_s():
    assert is_sent_again(event_for(clip("a")))
    assert not is_sent_again(s3_event("a"))
