"""One clip at a time through the real emulator: S3 -> function -> DynamoDB -> SQS."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from contract.annexb import nal_units
from contract.clips import ClipKey, ClipMetadata
from contract.results import Result, Status
from device.sources.fixture import cut_at_key_frames
from events import ClipRef
from ledger import Ledger, State
from reconcile_event import event_for
from scripts.console import Progress
from scripts.e2e.truth import names, read_truth
from scripts.paths import ROOT
from scripts.provision.devices import add_device, remove_device
from scripts.setup import LAB
from tests.conftest import Lab, wait_until
from tests.fakes.events import recorded

FIXTURES = ROOT / "fixtures"


@pytest.fixture(scope="module")
def clips() -> list[bytes]:
    stream = (FIXTURES / "lab.h264").read_bytes()
    return [stream[cut.start : cut.end] for cut in cut_at_key_frames(stream, 15)]


@pytest.fixture(scope="module")
def single_person_clip(clips) -> tuple[bytes, str]:
    """An easy clip and who is in it."""
    for truth in read_truth(FIXTURES / "truth.json"):
        if truth.is_single_person and not truth.tags:
            return clips[truth.index], truth.visible[0]
    pytest.fail("the fixture has no easy single-person clip")


class Cloud:
    """Puts objects and takes results, as device `lab`."""

    def __init__(self, lab: Lab):
        self.switch = lab.switch
        self.s3 = self.switch.client("s3")
        self.sqs = self.switch.client("sqs")
        self.bucket = self.switch.bucket
        self.queue = self.sqs.get_queue_url(QueueName=self.switch.names.result_queue("lab"))[
            "QueueUrl"
        ]

    def put(self, key: str, data: bytes, **kwargs) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data, **kwargs)

    def ask(self, data: bytes) -> Result:
        """Put a clip under a new key; its result."""
        key = new_key()
        self.put(key, data)
        return self.take(key)

    def take(self, key: str, seconds: float = 30) -> Result:
        """The result of the clip at `key`; those that other tests left are thrown away."""
        return wait_until(lambda: self._received(key), seconds, f"the result of {key}")

    def invoke(self, event: dict) -> dict:
        """Invoke the function with `event` and wait for what it returns."""
        answer = self.switch.client("lambda").invoke(
            FunctionName=self.switch.names.function, Payload=json.dumps(event)
        )
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def nothing_for(self, *keys: str) -> bool:
        """Whether no result of these clips comes within two seconds."""
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            if any(self._received(key) for key in keys):
                return False
        return True

    def _received(self, key: str) -> Result | None:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue, WaitTimeSeconds=1, MaxNumberOfMessages=1
        )
        for message in answer.get("Messages", ()):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            result = Result.from_json(message["Body"])
            if result.key == key:
                return result
        return None


@pytest.fixture(scope="module")
def cloud(lab) -> Cloud:
    return Cloud(lab)


def new_key() -> str:
    return str(ClipKey.new("lab", 1_795_000_000_000, 0))


def test_clip_comes_back_as_a_name(cloud, single_person_clip):
    data, person = single_person_clip
    key, metadata = new_key(), ClipMetadata(1_795_000_000_000, 1_795_000_000_500, 3)
    cloud.put(key, data, Metadata=metadata.to_s3())
    result = cloud.take(key)
    assert (result.key, result.status) == (key, Status.RECOGNIZED)
    assert names(result, "online") == {person}
    assert (result.capture_end_ms, result.sequence) == (1_795_000_000_500, 3)
    assert {"claim", "fetch", "recognize", "look_up"} <= result.stages_ms.keys()
    assert result.models["gallery"] != "none"


@pytest.mark.parametrize(
    "name", ["with spaces", "plus+sign", "größe-日本", "percent%2Bsign", "two.dots.in.it"]
)
def test_key_with_odd_characters_is_answered(cloud, single_person_clip, name):
    data, person = single_person_clip
    key = f"clips/lab/by hand/{name}.h264"
    cloud.put(key, data)
    result = cloud.take(key)
    assert (result.clip_id, result.capture_start_ms) == (name, None)
    assert names(result, "online") == {person}


def test_bad_clips_are_rejected_with_a_reason_and_do_not_block_the_next(cloud, single_person_clip):
    data, person = single_person_clip
    for bad in (b"", b"just some text\n" * 100, data[: len(data) // 50], os.urandom(50_000)):
        result = cloud.ask(bad)
        assert result.status is Status.REJECTED
        assert result.reason
    assert names(cloud.ask(data), "online") == {person}


def test_truncated_clip_is_answered_once(cloud, single_person_clip):
    data, person = single_person_clip
    result = cloud.ask(data[: len(data) * 2 // 3])
    assert names(result, "online") <= {person}
    assert cloud.nothing_for(result.key)


def test_same_object_put_twice_is_answered_once(cloud, single_person_clip):
    key = new_key()
    cloud.put(key, single_person_clip[0])
    cloud.take(key)
    cloud.put(key, single_person_clip[0])
    assert cloud.nothing_for(key)


@pytest.mark.parametrize(
    "keys",
    [
        ("clips/lab/2026-11-22/{}.h264", "clips/lab/2026-11-23/{}.h264"),
        ("clips/lab/{}.h264", "clips/lab//{}.h264"),
    ],
    ids=["another day's folder", "an empty folder name"],
)
def test_same_file_name_in_another_folder_is_another_clip(cloud, single_person_clip, keys):
    name = secrets.token_hex(4)
    for key in (key.format(name) for key in keys):
        cloud.put(key, single_person_clip[0])
        assert cloud.take(key).clip_id == name


def test_key_written_over_with_another_clip_is_answered_again_and_a_repeat_is_not(
    cloud, single_person_clip
):
    key = new_key()
    cloud.put(key, single_person_clip[0])
    first = cloud.take(key)
    cloud.put(key, b"something else")
    second = cloud.take(key)
    assert (first.status, second.status) == (Status.RECOGNIZED, Status.REJECTED)
    assert first.clip_id == second.clip_id
    assert first.result_id != second.result_id
    cloud.put(key, single_person_clip[0])
    assert cloud.nothing_for(key)


def test_version_that_the_event_names_is_read_not_the_newest(cloud, single_person_clip):
    bucket = f"versions-{secrets.token_hex(4)}"
    cloud.s3.create_bucket(Bucket=bucket)
    cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    key, event = new_key(), recorded("s3-put-versioned")
    first = cloud.s3.put_object(Bucket=bucket, Key=key, Body=single_person_clip[0])
    cloud.s3.put_object(Bucket=bucket, Key=key, Body=b"something else")
    entry = event["Records"][0]["s3"]
    entry["bucket"]["name"] = bucket
    entry["object"] |= {
        "key": key, "versionId": first["VersionId"], "eTag": first["ETag"].strip('"')
    }  # fmt: skip
    cloud.invoke(event)
    assert cloud.take(key).status is Status.RECOGNIZED


@pytest.mark.parametrize("name", ["x" * 201, "y" * 900, ""], ids=["201", "900", "none"])
def test_every_name_below_a_device_is_answered_to_it(cloud, single_person_clip, name):
    data, person = single_person_clip
    key = f"clips/lab/{secrets.token_hex(4)}/{name}.h264"
    cloud.put(key, data)
    assert names(cloud.take(key), "online") == {person}


def test_long_clip_with_sps_and_pps_only_once_is_recognized_to_its_end(cloud, clips):
    """What a camera makes that does not repeat its headers: the later parts were dropped."""
    empty, late = (
        next(
            clips[truth.index] for truth in read_truth(FIXTURES / "truth.json")
            if bool(truth.visible) is somebody and not truth.tags
        )
        for somebody in (False, True)
    )  # fmt: skip
    headless = b"".join(
        b"\0\0\0\1" + unit.data for unit in nal_units(late) if unit.type not in (7, 8)
    )
    result = cloud.ask(empty * 21 + headless)
    assert (result.status, result.frames_seen) == (Status.RECOGNIZED, 22 * 15)
    assert result.frames_skipped == result.frames_seen - result.frames_decoded > 0


def test_duplicate_event_while_the_first_is_in_progress_ends_quietly(cloud, single_person_clip):
    """It failed, was repeated twice, and ended as a letter beside the result."""
    key, event = new_key(), recorded("s3-put")
    content = hashlib.md5(single_person_clip[0]).hexdigest()  # noqa: S324
    entry = event["Records"][0]["s3"]
    entry["bucket"]["name"] = cloud.bucket
    entry["object"] |= {"key": key, "eTag": content}
    parsed = ClipKey.parse(key)
    ref = ClipRef(cloud.bucket, key, parsed, etag=content)
    ledger = Ledger(cloud.switch.client("dynamodb"), cloud.switch.names.ledger_table)
    ledger.claim(ref, "another invocation", 60)
    assert cloud.invoke(event) == {"answered": [], "skipped": [key]}


def test_object_that_is_no_clip_invokes_nothing(cloud, single_person_clip):
    keys = ("clips/lab/2026-11-22/notes.txt", "elsewhere/lab/2026-11-22/x.h264")
    for key in keys:
        cloud.put(key, single_person_clip[0])
    assert cloud.nothing_for(*keys)


def test_key_of_no_device_is_ignored_as_documented(cloud, single_person_clip):
    key = "clips/Not A Device/x.h264"
    cloud.put(key, single_person_clip[0])
    assert cloud.nothing_for(key)
    assert "is not a device id" in function_log(cloud, "is not a device id")


def function_log(cloud, expected: str) -> str:
    logs = cloud.switch.client("logs")

    def text():
        group = cloud.switch.names.log_group
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        joined = "\n".join(event["message"] for page in pages for event in page["events"])
        return joined if expected in joined else None

    return wait_until(text, 15, f"{expected!r} in the function's log")


def test_clip_of_an_unknown_device_ends_in_the_dead_letters(cloud, single_person_clip):
    key = str(ClipKey.new("nobody-s-pi", 1_795_000_000_000, 0))
    cloud.put(key, single_person_clip[0])
    queue = cloud.sqs.get_queue_url(QueueName=cloud.switch.names.dead_letters)["QueueUrl"]

    def letter():
        return cloud.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")

    (message,) = wait_until(letter, 60, "a dead letter")
    cloud.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    cloud.s3.delete_object(Bucket=cloud.bucket, Key=key)  # or a reconciler sends it again
    body = json.loads(message["Body"])
    assert "UnknownDevice" in json.dumps(body)
    assert key.split("/")[-1] in json.dumps(body)


def test_log_has_start_end_report_lines(cloud, single_person_clip):
    request = cloud.ask(single_person_clip[0]).request_id
    log = function_log(cloud, f"REPORT RequestId: {request}")
    assert f"START RequestId: {request}" in log
    assert f"END RequestId: {request}" in log
    assert "Max Memory Used" in log


def test_function_sees_nothing_of_the_host(lab, cloud, single_person_clip):
    cloud.ask(single_person_clip[0])
    emulator = psutil.Process(json.loads((lab.state / "emulator.json").read_text())["pid"])
    functions = [
        process.environ()
        for process in emulator.children(recursive=True)
        if "AWS_LAMBDA_RUNTIME_API" in process.environ()
    ]
    assert functions
    # The last one is the function's own, from the stack template.
    set_by_aws_too = {"HOME", "LANG", "NO_PROXY", "PATH", "TMPDIR", "FACELAB_PREFIX"}
    for environment in functions:
        assert "HOST_SECRET" not in environment
        assert not set(environment) & set(emulator.environ()) - set_by_aws_too
        assert not set(environment) & {"AWS_PROFILE", "HOSTNAME", "USER", "SHELL", "PYTHONPATH"}
        assert environment["HOME"] != os.environ.get("HOME")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("s3", "ls"), "facelab-000000000000-us-east-1"),
        (("lambda", "list-functions"), "facelab-recognize"),
        (("ecr", "describe-repositories"), "facelab-recognize"),
        (("ecr", "describe-images", "--repository-name", "facelab-recognize"), "sha256:"),
        (("logs", "describe-log-groups"), "/aws/lambda/facelab-recognize"),
        (("dynamodb", "scan", "--table-name", "facelab-people"), "person_id"),
    ],
)
def test_awslocal(lab, command, expected):
    awslocal = Path(LAB.python).with_name("awslocal")
    done = subprocess.run(
        ["sh", "-c", 'eval "$(python -m scripts.cli.env)" && exec awslocal "$@"', "-", *command],
        env={**lab.env, "PATH": f"{awslocal.parent}:{os.environ['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


class TestReconcile:
    """What the emulator (or AWS) forgets is sent again; a letter never stands beside a result."""

    def reconcile(self, lab) -> dict:
        done = lab.run("scripts.cli.reconcile", "--after", "0", "--json")
        return json.loads(done.stdout)

    def put_unseen(self, cloud, data: bytes) -> ClipRef:
        """A clip in the bucket whose event was lost."""
        key = new_key()
        wiring = cloud.s3.get_bucket_notification_configuration(Bucket=cloud.bucket)
        wiring.pop("ResponseMetadata")
        cloud.s3.put_bucket_notification_configuration(
            Bucket=cloud.bucket, NotificationConfiguration={}
        )
        try:
            cloud.put(key, data)
        finally:
            cloud.s3.put_bucket_notification_configuration(
                Bucket=cloud.bucket, NotificationConfiguration=wiring
            )
        return self.stored(cloud, key)

    def stored(self, cloud, key: str) -> ClipRef:
        etag = cloud.s3.head_object(Bucket=cloud.bucket, Key=key)["ETag"].strip('"')
        return ClipRef(cloud.bucket, key, ClipKey.parse(key), etag=etag)

    def ledger(self, cloud) -> Ledger:
        return Ledger(cloud.switch.client("dynamodb"), cloud.switch.names.ledger_table)

    def letters(self, cloud) -> str:
        return cloud.sqs.get_queue_url(QueueName=cloud.switch.names.dead_letters)["QueueUrl"]

    def test_a_clip_whose_event_was_lost_is_answered_once(self, lab, cloud, single_person_clip):
        data, person = single_person_clip
        key = self.put_unseen(cloud, data).object_key
        assert self.reconcile(lab)["sent"] >= 1
        assert names(cloud.take(key), "online") == {person}
        self.reconcile(lab)
        assert cloud.nothing_for(key)

    def test_a_letter_beside_a_result_is_taken_back(self, lab, cloud, single_person_clip):
        ref = self.stored(cloud, cloud.ask(single_person_clip[0]).key)
        queue = self.letters(cloud)
        for payload in (event_for(ref), {"of": "another kind"}):
            letter = {"requestContext": {}, "requestPayload": payload}
            cloud.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(letter))
        assert self.reconcile(lab)["letters_taken_back"] == 1
        (left,) = cloud.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2
        )["Messages"]
        assert "another kind" in left["Body"]
        cloud.sqs.delete_message(QueueUrl=queue, ReceiptHandle=left["ReceiptHandle"])

    def test_a_clip_whose_function_was_killed_while_it_sent_gets_no_letter_but_its_result(
        self, cloud, single_person_clip
    ):
        """As Lambda tells the reconciler, when all attempts of the event are over."""
        data, person = single_person_clip
        ref = self.put_unseen(cloud, data)
        self.ledger(cloud).claim(ref, "the killed one", 3600)
        event = event_for(ref)
        event["Records"][0]["eventSource"] = "aws:s3"
        failed = {"requestContext": {"requestId": "the killed one"}, "requestPayload": event}
        answer = cloud.switch.client("lambda").invoke(
            FunctionName=cloud.switch.names.reconciler, Payload=json.dumps(failed)
        )
        done = json.loads(answer["Payload"].read())
        assert done == {"letters": [], "sent": [ref.object_key], "left": []}
        assert names(cloud.take(ref.object_key), "online") == {person}
        depth = cloud.sqs.get_queue_attributes(
            QueueUrl=self.letters(cloud), AttributeNames=["ApproximateNumberOfMessages"]
        )
        assert depth["Attributes"] == {"ApproximateNumberOfMessages": "0"}

    def test_a_letter_is_taken_back_before_its_clip_is_answered_after_all(
        self, lab, cloud, single_person_clip
    ):
        """A device without a queue got one since."""
        data, _ = single_person_clip
        key = str(ClipKey.new("late-pi", 1_795_000_000_000, 0))
        cloud.put(key, data)
        ref = self.stored(cloud, key)
        ledger = self.ledger(cloud)
        wait_until(lambda: self.state(ledger, ref) is State.LETTER, 60, "a dead letter")
        add_device(cloud.switch, "late-pi", Progress(quiet=True))
        try:
            self.reconcile(lab)
            wait_until(lambda: self.state(ledger, ref) is State.ANSWERED, 60, "the answer")
            found = cloud.sqs.receive_message(QueueUrl=self.letters(cloud), WaitTimeSeconds=1)
            assert "Messages" not in found
        finally:
            remove_device(cloud.switch, "late-pi", Progress(quiet=True))

    def state(self, ledger: Ledger, ref: ClipRef) -> State | None:
        row = ledger.read([ref.row]).get(ref.row)
        return row.state if row else None

    def test_the_schedule_may_and_does_invoke_it(self, cloud):
        names = cloud.switch.names
        events = cloud.switch.client("events")
        rule = events.describe_rule(Name=names.reconciler)
        assert (rule["State"], rule["ScheduleExpression"]) == ("ENABLED", "rate(15 minutes)")
        (target,) = events.list_targets_by_rule(Rule=names.reconciler)["Targets"]
        assert json.loads(target["Input"]) == {"after_minutes": 20}
        client = cloud.switch.client("lambda")
        policy = json.loads(client.get_policy(FunctionName=names.reconciler)["Policy"])
        (allowed,) = policy["Statement"]
        assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
        assert allowed["Condition"]["ArnLike"]["AWS:SourceArn"] == rule["Arn"]
        assert target["Arn"].endswith(f":function:{names.reconciler}")
