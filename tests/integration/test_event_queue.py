"""S3 → SQS → Lambda (FACELAB_EVENTS=queue): every clip has one outcome, as on the direct path."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from contract.clips import ClipKey
from contract.results import Result
from device.sources.fixture import cut_at_key_frames
from events import ClipRef
from ledger import Ledger, State
from scripts.console import Progress
from scripts.paths import ROOT
from scripts.provision.devices import add_device
from tests.conftest import Lab, free_port, wait_until

QUIET_S = 3
HIDDEN_S = 5  # longer than `make up` takes until the queue would be gone


class Cloud:
    """Puts clips, and takes what comes of them."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.switch = lab, lab.switch
        self.s3, self.sqs = self.switch.client("s3"), self.switch.client("sqs")
        stream = (ROOT / "fixtures" / "lab.h264").read_bytes()
        self.clips = [stream[cut.start : cut.end] for cut in cut_at_key_frames(stream, 15)]

    def put(self, device: str, index: int = 0) -> str:
        key = str(ClipKey.new(device, 1_795_000_000_000, index))
        self.s3.put_object(Bucket=self.switch.bucket, Key=key, Body=self.clips[index])
        return key

    def url(self, queue: str) -> str:
        return self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def hide_for(self, seconds: int) -> None:
        """How long a message that failed waits in the events' queue: nobody here has minutes.

        A poll that has begun still hides what it gets for as long as before, so one clip ends it.
        """
        self.sqs.set_queue_attributes(
            QueueUrl=self.url(self.switch.names.events_queue),
            Attributes={"VisibilityTimeout": str(seconds)},
        )
        key = self.put("lab")
        assert self.answered("lab", 1) == [key]

    def received(self, queue: str, count: int, seconds: float = 60) -> list[str]:
        """All messages of a queue until there are `count`, and those that come right after."""
        url, found = self.url(queue), []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.sqs.receive_message(
                QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10
            )
            for message in answer.get("Messages", ()):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message["Body"])
                if len(found) == count:
                    deadline = min(deadline, time.monotonic() + QUIET_S)
        return found

    def answered(self, device: str, count: int) -> list[str]:
        """The keys of the results that a device gets, sorted."""
        queue = self.switch.names.result_queue(device)
        return sorted(Result.from_json(body).key for body in self.received(queue, count))

    def letters(self) -> int:
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.url(self.switch.names.dead_letters),
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def has_failed(self, key: str) -> bool:
        pages = (
            self.switch.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=self.switch.names.log_group)
        )
        lines = [event["message"] for page in pages for event in page["events"]]
        return any(f"no answer for {key!r}" in line for line in lines)

    def state(self, key: str) -> State:
        etag = self.s3.head_object(Bucket=self.switch.bucket, Key=key)["ETag"].strip('"')
        ref = ClipRef(self.switch.bucket, key, ClipKey.parse(key), etag=etag)
        ledger = Ledger(self.switch.client("dynamodb"), self.switch.names.ledger_table)
        return ledger.read([ref.row])[ref.row].state

    def notification(self) -> set[str]:
        found = self.s3.get_bucket_notification_configuration(Bucket=self.switch.bucket)
        return set(found) - {"ResponseMetadata"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    lab = Lab(tmp_path_factory.mktemp("queued"), free_port(), {"FACELAB_EVENTS": "queue"})
    lab.up()
    cloud = Cloud(lab)
    cloud.hide_for(HIDDEN_S)
    yield cloud
    lab.down()


def test_clips_come_through_the_queue_and_each_is_answered_once(cloud):
    assert cloud.notification() == {"QueueConfigurations"}
    keys = [cloud.put("lab", index) for index in range(6)]
    assert cloud.answered("lab", len(keys)) == sorted(keys)
    assert cloud.letters() == 0


def test_a_clip_whose_first_attempt_fails_comes_again_and_is_answered_once(cloud):
    key = cloud.put("late")  # a device that is not there yet
    wait_until(lambda: cloud.has_failed(key), 30, "a first attempt that failed")
    add_device(cloud.switch, "late", Progress(quiet=True))
    assert cloud.answered("late", 1) == [key]
    assert (cloud.state(key), cloud.letters()) == (State.ANSWERED, 0)


def test_a_clip_that_fails_each_time_ends_in_a_letter_and_is_answered_after_all(cloud):
    """The queue's own dead letters would stand beside results, unknown to ledger and status."""
    key = cloud.put("later")
    wait_until(cloud.letters, 90, "a dead letter")
    assert cloud.state(key) is State.LETTER
    status = json.loads(cloud.lab.run("scripts.cli.lab", "status", "--json").stdout)
    assert status["dead_letters"] == 1
    add_device(cloud.switch, "later", Progress(quiet=True))
    cloud.lab.run("scripts.cli.reconcile", "--after", "0", "--json")
    assert cloud.answered("later", 1) == [key]
    assert (cloud.state(key), cloud.letters()) == (State.ANSWERED, 0)


def test_a_lab_that_does_without_its_queue_again_loses_no_clip_that_waits_there(cloud):
    """Its message is hidden, after an attempt that failed, while `make up` takes the queue away."""
    waits = cloud.put("latest")
    wait_until(lambda: cloud.has_failed(waits), 30, "a first attempt that failed")
    add_device(cloud.switch, "latest", Progress(quiet=True))
    cloud.lab.environment["FACELAB_EVENTS"] = "direct"
    cloud.lab.up()
    assert cloud.answered("latest", 1) == [waits]
    assert cloud.notification() == {"LambdaFunctionConfigurations"}
    assert not cloud.switch.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    urls = cloud.sqs.list_queues(QueueNamePrefix=cloud.switch.names.prefix)["QueueUrls"]
    assert not [url for url in urls if url.endswith("events")]
    directly = cloud.put("lab", 1)
    assert cloud.answered("lab", 1) == [directly]
