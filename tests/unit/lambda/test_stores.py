"""The function's outside world: what is asked of AWS, and what its answers mean."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

import stores
from contract.clips import ClipKey
from contract.names import Names
from contract.results import Person, Result, Status
from events import ClipRef
from stores import (
    ClipGone,
    ClipOversize,
    ClipStore,
    NotSent,
    People,
    ResultQueues,
    StoreError,
    UnknownDevice,
)
from tests.fakes.dynamodb import FakeDynamoDB

KEY = ClipKey("lab", "2026-11-22", "c1")
REF = ClipRef("bucket", str(KEY), KEY, 3, etag="e1")


class S3:
    """get_object as S3 answers it: conditions, versions, and how much of a body was read."""

    def __init__(self, versions: dict[str, bytes], etag: str = "e1") -> None:
        self.versions, self.etag = versions, etag
        self.read = 0
        self.asked: dict[str, str] = {}

    def get_object(self, Bucket, Key, VersionId="newest", IfMatch=None):  # noqa: N803
        self.asked = {"Bucket": Bucket, "Key": Key, "VersionId": VersionId, "IfMatch": IfMatch}
        if VersionId not in self.versions:
            code = "NoSuchKey" if VersionId == "newest" else "NoSuchVersion"
            raise ClientError({"Error": {"Code": code}}, "GetObject")
        if IfMatch not in (None, f'"{self.etag}"'):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
        world, data = self, self.versions[VersionId]

        class Body(io.BytesIO):
            def read(self, *arguments):
                world.read += len(data)
                return super().read(*arguments)

        return {
            "Body": Body(data),
            "ContentLength": len(data),
            "ETag": f'"{self.etag}"',
            "Metadata": {"sequence": "1"},
        }


class TestClips:
    def test_what_the_event_named_is_what_is_read(self):
        stored = ClipStore(S3({"newest": b"abc"})).fetch(REF, 10)
        assert (stored.data, stored.metadata, stored.etag) == (b"abc", {"sequence": "1"}, "e1")

    def test_the_version_that_the_event_names_not_the_newest(self):
        s3 = S3({"newest": b"second", "v1": b"first"}, etag="e2")
        assert ClipStore(s3).fetch(replace(REF, version_id="v1"), 10).data == b"first"

    def test_another_content_written_over_it_is_not_taken_for_it(self):
        with pytest.raises(ClipGone, match="written over"):
            ClipStore(S3({"newest": b"abc"}, etag="e2")).fetch(REF, 10)

    @pytest.mark.parametrize("version", ["", "v9"])
    def test_a_deleted_clip_is_gone(self, version):
        with pytest.raises(ClipGone, match="deleted"):
            ClipStore(S3({})).fetch(replace(REF, version_id=version), 10)

    def test_an_event_that_does_not_say_gets_what_is_there(self):
        s3 = S3({"newest": b"abc"}, etag="e7")
        assert ClipStore(s3).fetch(replace(REF, etag=""), 10).etag == "e7"

    def test_as_many_bytes_as_allowed_are_read_and_one_more_is_not(self):
        assert ClipStore(S3({"newest": b"x" * 10})).fetch(REF, 10).data == b"x" * 10
        s3 = S3({"newest": b"x" * 11})
        with pytest.raises(ClipOversize, match="11 bytes"):
            ClipStore(s3).fetch(REF, 10)
        assert s3.read == 0

    def test_a_refusal_is_not_a_missing_clip(self):
        class Forbidden:
            def get_object(self, **_):
                raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

        with pytest.raises(ClientError, match="AccessDenied"):
            ClipStore(Forbidden()).fetch(REF, 10)


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    return FakeDynamoDB()


class TestPeople:
    @pytest.fixture
    def people(self, dynamodb) -> People:
        self.waits: list[float] = []
        for number in range(250):
            dynamodb.rows("people")[f"p{number}"] = {
                "person_id": {"S": f"p{number}"}, "name": {"S": f"Person {number}"},
                "major": {"S": "Art"}, "year": {"N": "2"}, "more": {"BOOL": True},
            }  # fmt: skip
        return People(dynamodb, "people", self.waits.append)

    def test_a_row_is_a_person(self, people):
        assert people.look_up(["p7"]) == {"p7": Person("p7", "Person 7", "Art", "2")}

    def test_nobody_is_asked_for_without_a_call(self, people, dynamodb):
        assert people.look_up([]) == {}
        assert dynamodb.calls == []

    def test_a_person_without_a_row_is_left_out(self, people):
        assert people.look_up(["p1", "forgotten", "p1"]).keys() == {"p1"}

    def test_keys_handed_back_unread_are_asked_for_again_after_a_wait(self, people, dynamodb):
        dynamodb.unprocessed = lambda asked: asked // 2
        wanted = [f"p{number}" for number in range(9)]
        assert people.look_up(wanted).keys() == set(wanted)
        assert len(self.waits) == len(dynamodb.calls) - 1 > 0

    def test_a_table_that_never_gives_them_is_an_error_not_an_endless_loop(self, people, dynamodb):
        dynamodb.unprocessed = lambda asked: asked
        with pytest.raises(StoreError, match="handed 1 keys back"):
            people.look_up(["p1"])
        assert len(dynamodb.calls) == stores.LOOK_UPS

    def test_more_people_than_one_call_takes(self, people):
        wanted = [f"p{number}" for number in range(250)]
        assert people.look_up(wanted).keys() == set(wanted)

    def test_a_row_made_by_hand_without_a_name(self, people, dynamodb):
        dynamodb.rows("people")["x"] = {"person_id": {"S": "x"}}
        assert people.look_up(["x"]) == {"x": Person("x", "x", "", "")}


class NoQueue(ClientError):
    """boto3 makes such a class for each client."""


def refusal(kind: type[ClientError] = ClientError, status: int = 400, **said) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RequestId": "q", "RetryAttempts": 0, **said}
    return kind({"Error": {"Code": "Refused"}, "ResponseMetadata": metadata}, "SendMessage")


class Sqs:
    class exceptions:  # noqa: N801  boto3's name
        QueueDoesNotExist = NoQueue

    def __init__(self) -> None:
        self.queues = {"facelab-results-lab": "url-1"}
        self.asked = 0
        self.sent: list[tuple[str, str]] = []
        self.problem: Exception | None = None

    def get_queue_url(self, QueueName):  # noqa: N803
        self.asked += 1
        if QueueName not in self.queues:
            raise refusal(NoQueue)
        return {"QueueUrl": self.queues[QueueName]}

    def send_message(self, QueueUrl, MessageBody):  # noqa: N803
        if self.problem:
            raise self.problem
        if QueueUrl not in self.queues.values():
            raise refusal(NoQueue)
        self.sent.append((QueueUrl, MessageBody))


class TestResultQueues:
    RESULT = Result("c1", "lab", str(KEY), Status.NO_FACE)

    def test_a_result_goes_to_the_queue_of_its_device_which_is_looked_up_once(self):
        sqs = Sqs()
        queues = ResultQueues(sqs, Names())
        queues.send(self.RESULT)
        queues.send(self.RESULT)
        assert sqs.sent == [("url-1", self.RESULT.to_json())] * 2
        assert sqs.asked == 1

    def test_to_warm_up_looks_a_queue_up_which_is_known_then(self):
        sqs = Sqs()
        queues = ResultQueues(sqs, Names())
        queues.warm_up()
        assert sqs.asked == 1
        queues.send(self.RESULT)
        assert sqs.asked == 1

    def test_a_device_without_a_queue_is_named(self):
        with pytest.raises(UnknownDevice, match="'pi-9'"):
            ResultQueues(Sqs(), Names()).send(replace(self.RESULT, device_id="pi-9"))

    def test_a_queue_that_was_made_anew_is_found_again(self):
        sqs = Sqs()
        queues = ResultQueues(sqs, Names())
        queues.send(self.RESULT)
        sqs.queues["facelab-results-lab"] = "url-2"
        with pytest.raises(UnknownDevice):
            queues.send(self.RESULT)
        queues.send(self.RESULT)
        assert sqs.sent[-1][0] == "url-2"

    def test_a_device_is_reached_once_and_sent_to_without_asking(self):
        sqs = Sqs()
        queues = ResultQueues(sqs, Names())
        queues.reach("lab")
        queues.reach("lab")
        queues.send(self.RESULT)
        assert sqs.asked == 1
        with pytest.raises(UnknownDevice):
            queues.reach("pi-9")

    @pytest.mark.parametrize(
        ("problem", "is_sure"),
        [
            (refusal(), True),
            (refusal(status=500), False),
            (refusal(RetryAttempts=1), False),  # the try before may have been taken
            (refusal(NoQueue, RetryAttempts=1), False),
            (refusal(RequestId=""), False),  # somebody else's page
            (ClientError({"Error": {"Code": "x"}}, "SendMessage"), False),
            (TimeoutError(), False),
        ],
    )
    def test_only_a_refusal_of_aws_is_certain_not_to_be_in_the_queue(self, problem, is_sure):
        sqs = Sqs()
        sqs.problem = problem
        with pytest.raises(type(problem) if not is_sure else NotSent) as raised:
            ResultQueues(sqs, Names()).send(self.RESULT)
        assert isinstance(raised.value, NotSent) == is_sure


@pytest.mark.parametrize(
    ("endpoint", "style"),
    [(None, "auto"), ("https://s3.eu-west-1.amazonaws.com", "auto"), ("http://lab:4566", "path")],
)
def test_clients_name_buckets_in_the_path_only_for_an_emulator(monkeypatch, endpoint, style):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    clients = stores.make_clients()
    assert clients[0].meta.config.s3["addressing_style"] == style
    assert [one.meta.service_model.service_name for one in clients] == ["s3", "dynamodb", "sqs"]
    for one in clients:
        assert one.meta.config.tcp_keepalive
        assert one.meta.config.retries["total_max_attempts"] == 4  # and so three again
