"""The reconciler's entry point, and what it asks of S3, SQS and Lambda."""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from contract.clips import ClipKey
from events import ClipRef
from ledger import Ledger
from reconcile_event import event_for
from reconcile_stores import HIDDEN_S, MOST_LETTERS, BucketList, FunctionInvoker, LetterQueue
from tests.fakes.dynamodb import FakeDynamoDB

QUEUE = "url of facelab-dead-letters"


def clip(name: str) -> ClipRef:
    key = ClipKey("lab", "2026-11-22", name)
    return ClipRef("bucket", str(key), key, 5, etag=name)


@dataclass
class Aws:
    """S3's list, one queue and one function, as boto3 shows them."""

    stored: dict[str, float] = field(default_factory=dict)  # key: minutes ago
    letters: list[dict] = field(default_factory=list)
    asked: list[tuple] = field(default_factory=list)
    invoked: list[dict] = field(default_factory=list)

    def get_paginator(self, operation):
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **which):
        self.asked.append(("list", which))
        for key, minutes in self.stored.items():
            moment = datetime.fromtimestamp(time.time() - 60 * minutes, UTC)
            stored = {"Key": key, "Size": 5, "ETag": f'"{key[-6]}"', "LastModified": moment}
            yield {"Contents": [stored]}
        yield {}

    def get_queue_url(self, QueueName):  # noqa: N803
        return {"QueueUrl": f"url of {QueueName}"}

    def receive_message(self, **arguments):
        self.asked.append(("receive", arguments))
        taken, self.letters = self.letters[:10], self.letters[10:]
        return {"Messages": taken} if taken else {}

    def change_message_visibility(self, **arguments):
        self.asked.append(("visibility", arguments))

    def send_message(self, **arguments):
        self.asked.append(("send", arguments))

    def delete_message(self, **arguments):
        self.asked.append(("delete", arguments))

    def invoke(self, **arguments):
        self.invoked.append(arguments)


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    return FakeDynamoDB()


@pytest.fixture
def run(aws, dynamodb, monkeypatch):
    monkeypatch.setenv("FACELAB_PREFIX", "facelab")
    monkeypatch.setenv("FACELAB_BUCKET", "bucket")
    monkeypatch.setattr("stores.make_clients", lambda: (aws, dynamodb, aws))
    level = logging.getLogger().level
    module = importlib.import_module("reconcile")
    monkeypatch.setattr(module, "boto3", SimpleNamespace(client=lambda name, config: aws))

    def run(event: dict, remaining_ms: int = 60_000) -> dict:
        context = SimpleNamespace(
            aws_request_id="r1", get_remaining_time_in_millis=lambda: remaining_ms
        )
        return module.handler(event, context)

    yield run
    logging.getLogger().setLevel(level)
    sys.modules.pop("reconcile")


def letter(number: int, body: str) -> dict:
    return {"MessageId": f"m{number}", "ReceiptHandle": f"receipt {number}", "Body": body}


def test_on_its_schedule_it_sends_what_had_no_outcome_for_twenty_minutes(run, aws):
    aws.stored = {clip("a").object_key: 20.1, clip("b").object_key: 19.9}
    done = run({})
    assert (done["clips"], done["sent"], done["is_complete"]) == (2, 1, True)
    (invoked,) = aws.invoked
    assert (invoked["FunctionName"], invoked["InvocationType"]) == ("facelab-recognize", "Event")
    assert json.loads(invoked["Payload"]) == event_for(clip("a"))
    assert aws.asked[1] == ("list", {"Bucket": "bucket", "Prefix": "clips/"})
    json.dumps(done)


def test_it_may_be_asked_to_look_at_younger_ones(run, aws):
    aws.stored = {clip("a").object_key: 1.1, clip("b").object_key: 0.9}
    assert run({"after_minutes": 1})["sent"] == 1
    assert run({"after_minutes": 0})["sent"] == 2
    assert run({"after_minutes": "1"})["sent"] == 1


@pytest.mark.parametrize("minutes", [-1, -0.001, float("inf"), float("nan")])
def test_what_is_no_number_of_minutes_is_refused_before_anything_is_asked(run, aws, minutes):
    with pytest.raises(ValueError, match="0 or more"):
        run({"after_minutes": minutes})
    assert aws.asked == []


def test_a_batch_is_not_begun_without_the_time_to_end_it(run, aws):
    aws.stored = {clip("a").object_key: 30}
    assert not run({}, remaining_ms=10_000)["is_complete"]
    assert aws.invoked == []
    assert run({}, remaining_ms=10_001)["is_complete"]


def test_an_event_that_failed_for_good_ends_in_a_letter(run, aws, dynamodb):
    failed = {"requestContext": {"requestId": "dead"}, "requestPayload": event_for(clip("a"))}
    assert run(failed)["letters"] == [clip("a").object_key]
    assert [step for step, _ in aws.asked] == ["send"]
    assert aws.asked[0][1]["QueueUrl"] == QUEUE
    assert json.loads(aws.asked[0][1]["MessageBody"]) == failed
    assert not Ledger(dynamodb, "facelab-clips").claim(clip("a"), "r2", 30).may_send


def test_of_what_the_queue_gave_up_on_that_comes_again_whose_letter_could_not_be_written(
    run, aws, dynamodb, monkeypatch
):
    def given_up(number: int, name: str) -> dict:
        body = json.dumps(event_for(clip(name)))
        return {"eventSource": "aws:sqs", "messageId": f"m{number}", "body": body}

    def send(**arguments):
        if "b.h264" in arguments["MessageBody"]:
            raise ConnectionError
        aws.asked.append(("send", arguments))

    monkeypatch.setattr(aws, "send_message", send, raising=False)
    done = run({"Records": [given_up(number, name) for number, name in enumerate("abc")]})
    assert done == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    letters = [json.loads(arguments["MessageBody"]) for _, arguments in aws.asked]
    assert [one["requestPayload"] for one in letters] == [event_for(clip(one)) for one in "ac"]
    assert not Ledger(dynamodb, "facelab-clips").claim(clip("a"), "r2", 30).may_send


def test_its_lease_lasts_as_long_as_it_may_run(run, dynamodb, monkeypatch):
    leases: list[tuple[str, float]] = []
    monkeypatch.setattr(
        Ledger, "give_up", lambda self, ref, request, lease_s: leases.append((request, lease_s))
    )
    monkeypatch.setattr(Ledger, "note_letter", lambda *_: None)
    run({"requestPayload": event_for(clip("a"))}, remaining_ms=45_500)
    assert leases == [("r1", 45.5)]


def test_all_letters_are_taken_hidden_and_put_back(run, aws):
    failed = json.dumps({"requestPayload": event_for(clip("a"))})
    aws.letters = [letter(number, failed if number else "no JSON") for number in range(12)]
    assert run({})["letters"] == 2, "one that names no clip, one of eleven that name the same"
    received = [arguments for step, arguments in aws.asked if step == "receive"]
    assert len(received) == 3
    assert received[0] == {
        "QueueUrl": QUEUE, "MaxNumberOfMessages": 10, "VisibilityTimeout": HIDDEN_S,
    }  # fmt: skip
    back = [arguments for step, arguments in aws.asked if step == "visibility"]
    assert [one["ReceiptHandle"] for one in back] == ["receipt 0", "receipt 1"]
    assert {(one["QueueUrl"], one["VisibilityTimeout"]) for one in back} == {(QUEUE, 0)}
    gone = [arguments["ReceiptHandle"] for step, arguments in aws.asked if step == "delete"]
    assert gone == [f"receipt {number}" for number in range(2, 12)]


def test_a_queue_that_never_ends_is_looked_at_so_far_and_no_further(aws):
    class Endless(Aws):
        def receive_message(self, **arguments):
            number = next(numbers)
            return {"Messages": [letter(10 * number + n, "{}") for n in range(10)]}

    numbers = itertools.count()
    assert len(list(LetterQueue(Endless(), "q").take())) == MOST_LETTERS


def test_a_folder_and_a_strange_key_are_no_clips_of_the_bucket(aws):
    aws.stored = {"clips/lab/": 1, "clips/Not A Device/x.h264": 1, clip("a").object_key: 1}
    (listed,) = BucketList(aws, "bucket").list()
    assert listed.ref == clip("a")
    assert time.time() - 90 < listed.stored_at_s < time.time() - 30


def test_a_clip_s_version_is_sent_with_it(aws):
    FunctionInvoker(aws, "f").send(
        ClipRef("bucket", clip("a").object_key, clip("a").key, 5, "e", "v7")
    )
    (record,) = json.loads(aws.invoked[0]["Payload"])["Records"]
    assert record["s3"]["object"]["versionId"] == "v7"
    assert "versionId" not in event_for(clip("a"))["Records"][0]["s3"]["object"]


def test_what_could_not_be_sent_is_counted_apart(run, aws, monkeypatch):
    aws.stored = {clip(name).object_key: 30 for name in "abc"}

    def fail(**arguments):
        if b"b.h264" in arguments["Payload"].encode():
            raise ConnectionError

    monkeypatch.setattr(aws, "invoke", fail, raising=False)
    done = run({})
    assert (done["clips"], done["sent"], done["failed"]) == (3, 2, 1)
