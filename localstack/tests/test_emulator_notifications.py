"""What S3 tells a queue, a topic and an event bus of one and the same change."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from localstack_image_functions.s3.sequencers import Sequencers

ACCOUNT = "000000000000"


class Told:
    """The queues behind each kind of destination; all hear of one bucket."""

    def __init__(self, emulator: Any) -> None:
        self._client = emulator.client
        self.name = f"told-{uuid.uuid4().hex[:8]}"
        self._urls = {one: self._queue(one) for one in ("queue", "topic", "bus", "bus-too")}

    def _queue(self, suffix: str) -> str:
        queues = self._client("sqs")
        return queues.create_queue(QueueName=f"{self.name}-{suffix}")["QueueUrl"]

    def _arn(self, suffix: str) -> str:
        return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{self.name}-{suffix}"

    def listen(self) -> None:
        topics, bus = self._client("sns"), self._client("events")
        topic = topics.create_topic(Name=self.name)["TopicArn"]
        topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self._arn("topic"))
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [self.name]}}}
        bus.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        targets = [{"Id": one, "Arn": self._arn(one)} for one in ("bus", "bus-too")]
        bus.put_targets(Rule=self.name, Targets=targets)
        storage = self._client("s3")
        storage.create_bucket(Bucket=self.name)
        made, removed = ["s3:ObjectCreated:*"], ["s3:ObjectRemoved:*"]
        storage.put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={
                "TopicConfigurations": [{"TopicArn": topic, "Events": made}],
                "QueueConfigurations": [{"QueueArn": self._arn("queue"), "Events": removed}],
                "EventBridgeConfiguration": {},
            },
        )
        for suffix in ("topic", "queue"):
            assert self.next(suffix)["Event"] == "s3:TestEvent"

    def next(self, suffix: str) -> dict[str, Any]:
        """What the queue gets next, without what a topic puts around it."""
        queues, url = self._client("sqs"), self._urls[suffix]
        (message,) = queues.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        body = json.loads(message["Body"])
        return json.loads(body["Message"]) if suffix == "topic" else body


@pytest.fixture
def told(emulator: Any) -> Told:
    made = Told(emulator)
    made.listen()
    return made


def described(message: dict[str, Any]) -> dict[str, Any]:
    """The object, whichever form the event has."""
    if "detail" in message:
        return message["detail"]["object"]
    (record,) = message["Records"]
    return record["s3"]["object"]


def test_all_destinations_hear_of_a_change_and_which_came_later(emulator: Any, told: Told) -> None:
    """LocalStack's sequencer was the same in all events, and another one in the event bus's."""
    storage = emulator.client("s3")
    for body in (b"first", b"second"):
        storage.put_object(Bucket=told.name, Key="same", Body=body)
    storage.delete_object(Bucket=told.name, Key="same")
    heard: dict[str, list[dict[str, Any]]] = {
        suffix: [told.next(suffix) for _ in range(number)]
        for suffix, number in (("topic", 2), ("queue", 1), ("bus", 3), ("bus-too", 3))
    }
    names = [one["Records"][0]["eventName"] for one in heard["topic"] + heard["queue"]]
    assert sorted(names) == ["ObjectCreated:Put"] * 2 + ["ObjectRemoved:Delete"]
    direct, one, other = (
        sorted(described(message)["sequencer"] for message in messages)
        for messages in (heard["topic"] + heard["queue"], heard["bus"], heard["bus-too"])
    )
    assert direct == one == other
    assert len(set(direct)) == 3
    by_size = {one.get("size"): one["sequencer"] for one in map(described, heard["bus"])}
    first, second, gone = (by_size[size] for size in (len(b"first"), len(b"second"), None))
    assert first < second < gone
    assert {message["detail-type"] for message in heard["bus"]} == {
        "Object Created",
        "Object Deleted",
    }
    assert described(heard["queue"][0])["sequencer"] == gone


@pytest.mark.parametrize(
    "clock", [[5, 5, 5], [9, 3, 10**10], [999_999_999, 10**9]], ids=["stands", "back", "second"]
)
def test_a_sequencer_grows_whatever_the_clock_does(clock: list[int]) -> None:
    times = iter(clock)
    sequencers = Sequencers(now_ns=lambda: next(times))
    made = [sequencers.next() for _ in clock]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {18}
