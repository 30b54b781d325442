"""Small things of the function at their edges."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

import stores
from artifacts import Artifact
from contract.clips import ClipKey
from contract.names import Names
from contract.spans import Span
from events import ClipRef
from ledger import Ledger, Row, State
from recognition import Stopwatch
from reconciling import Letter, Listed, Reconciler
from stores import StoreError, rows_by_key
from telemetry import Telemetry, event_ms
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.results import ADA, face, result
from xray import XRay


class TestArtifact:
    """What is told of an object again, and what is not."""

    def play(self, caplog, *steps: str) -> list[str]:
        answers: dict[str, object] = {
            "good": b"1", "bad": b"x", "same": ClientError({"Error": {"Code": "304"}}, "GetObject"),
            "down": ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
        }  # fmt: skip

        coming = iter(steps)

        class S3:
            def get_object(self, **_):
                answer = answers[next(coming)]
                if isinstance(answer, Exception):
                    raise answer
                return {
                    "Body": io.BytesIO(answer), "ETag": f'"{answer}"', "ContentLength": 1
                }  # fmt: skip

        artifact = Artifact(S3(), "b", "k", int, -1, 20, check_every_s=0)
        with caplog.at_level(logging.WARNING):
            for _ in steps:
                artifact.refresh()
        return [record.getMessage() for record in caplog.records]

    def test_an_outage_that_was_over_is_told_again(self, caplog):
        assert len(self.play(caplog, "good", "down", "down", "same", "down")) == 2

    def test_while_a_bad_upload_lies_there_nothing_is_over(self, caplog):
        assert len(self.play(caplog, "good", "bad", "down", "same", "down")) == 2

    def test_a_good_one_ends_all(self, caplog):
        assert len(self.play(caplog, "good", "bad", "good", "bad")) == 2

    def test_as_many_bytes_as_allowed_are_taken_and_more_are_told(self, caplog):
        def size(count: int) -> dict:
            return {"Body": io.BytesIO(b"7"), "ETag": f'"{count}"', "ContentLength": count}

        sizes = iter([20, 21])
        s3 = SimpleNamespace(get_object=lambda **_: size(next(sizes)))
        artifact = Artifact(s3, "b", "k", int, -1, 20, check_every_s=0)
        with caplog.at_level(logging.WARNING):
            artifact.refresh()
            assert (artifact.value, caplog.records) == (7, [])
            artifact.refresh()
        (record,) = caplog.records
        assert "21 bytes, at most 20" in record.getMessage()

    def test_one_that_is_not_there_yet_is_a_warning(self, caplog):
        missing = ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

        def get_object(**_):
            raise missing

        artifact = Artifact(SimpleNamespace(get_object=get_object), "b", "k", int, -1, 20)
        with caplog.at_level(logging.WARNING):
            artifact.refresh()
        (record,) = caplog.records
        assert (record.levelname, artifact.value) == ("WARNING", -1)
        assert "going on without" in record.getMessage()

    @pytest.mark.parametrize(
        ("error", "has_trace"), [(ValueError("no"), False), (KeyError(), True)]
    )
    def test_a_first_upload_that_is_bad_stops_nothing_and_a_bug_has_its_traceback(
        self, caplog, error, has_trace
    ):
        def parse(data: bytes) -> int:
            raise error

        s3 = SimpleNamespace(
            get_object=lambda **_: {"Body": io.BytesIO(b"x"), "ETag": '"1"', "ContentLength": 1}
        )
        artifact = Artifact(s3, "b", "k", parse, -1, 20)
        with caplog.at_level(logging.WARNING):
            artifact.refresh()
        (record,) = caplog.records
        assert (artifact.value, artifact.version) == (-1, "none")
        assert bool(record.exc_info) == has_trace
        assert "can't be used" in record.getMessage()


@pytest.mark.parametrize(
    ("status", "is_sure"), [(399, False), (400, True), (499, True), (500, False)]
)
def test_what_sqs_refuses_it_says_by_a_status_from_400_to_499(status, is_sure):
    metadata = {"HTTPStatusCode": status, "RequestId": "q", "RetryAttempts": 0}
    answer = {"Error": {"Code": "x"}, "ResponseMetadata": metadata}
    assert stores._was_refused(ClientError(answer, "SendMessage")) == is_sure


def test_warming_up_looks_up_the_queue_that_most_labs_have():
    asked: list[str] = []
    sqs = SimpleNamespace(
        get_queue_url=lambda **which: asked.append(which["QueueName"]) or {"QueueUrl": "url"},
        exceptions=SimpleNamespace(QueueDoesNotExist=KeyError),
    )
    queues = stores.ResultQueues(sqs, Names())
    queues.warm_up()
    queues.reach("lab")
    assert asked == ["facelab-results-lab"]


def test_a_line_says_whose_invocation_it_was_and_a_failed_try_counts_no_cold_start(monkeypatch):
    lines: list[str] = []
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Sampled=1;Root=1-5759e988-bd86;Parent=5")
    telemetry = Telemetry(lines.append)
    with pytest.raises(ZeroDivisionError), telemetry.clip(TestTelemetry.REF, "r1", None):
        1 / 0  # noqa: B018
    told = json.loads(lines[0])
    assert (told["trace_id"], told["cold_starts"]) == ("1-5759e988-bd86", 0)
    assert (told["faces_found"], told["request_id"]) == (0, "r1")


def test_each_further_look_waits_up_to_twice_as_long(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(stores.random, "uniform", lambda low, high: high - low)
    table = FakeDynamoDB(unprocessed=lambda asked: asked)
    with pytest.raises(StoreError, match="handed 1 keys back 6 times"):
        list(rows_by_key(table, "people", [{"person_id": {"S": "a"}}], waits.append))
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])


def test_a_daemon_that_takes_nothing_fails_no_clip():
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    xray = XRay({"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9", "_X_AMZN_TRACE_ID": header})
    tries: list[int] = []

    class Gone:
        def sendto(self, *_):
            tries.append(1)
            raise OSError("gone")

    xray._socket = Gone()
    xray({"clip_id": "c1"}, [Span("function", "answer", 1_000, 100)])
    assert tries == [1]


def test_a_stage_takes_the_time_that_it_took_also_in_pieces(monkeypatch):
    moments = iter([1.0, 1.25, 5.0, 5.5, 7.0, 7.125])
    monkeypatch.setattr("recognition.stages.time.perf_counter", lambda: next(moments))
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("look"):
            pass
    with pytest.raises(ZeroDivisionError), watch.stage("fail"):
        1 / 0  # noqa: B018
    watch.include({"look": 1000.0, "other": 2.345})
    told = watch.milliseconds()
    assert (told["look"], told["fail"]) == (1750.0, 125.0)
    assert told["other"] in (2.34, 2.35)


class TestTelemetry:
    REF = ClipRef("bucket", "clips/lab/d/c1.h264", ClipKey("lab", "d", "c1"), 100, "etag")

    def told(self, monkeypatch, moments_ns: list[int], event=None, **of_result) -> dict:
        """The line of a clip that two watched calls made, by a clock that says these moments."""
        lines: list[str] = []
        coming = iter(moments_ns)
        telemetry = Telemetry(lines.append)
        monkeypatch.setattr("telemetry.time.time_ns", lambda: next(coming))
        with telemetry.clip(self.REF, "r1", event) as answered:
            with telemetry.span("fetch"):
                pass
            with telemetry.span("recognize"):
                pass
            answered(result("c1", *of_result.pop("faces", ()), **of_result))
        return json.loads(lines[0])

    def test_a_span_lasts_as_long_as_its_clock_says_and_never_less_than_nothing(self, monkeypatch):
        s = 10**9
        told = self.told(monkeypatch, [0, 0, 0, 2000 * s, 1000 * s, 3000 * s],
                         stages_ms={"decode": 1.5, "detect": 2.5})  # fmt: skip
        spans = [(one["name"], one["start_ms"], one["duration_ms"]) for one in told["spans"]]
        assert spans == [
            ("answer", 0.0, 3_000_000.0), ("fetch", 0.0, 0.0), ("recognize", 2_000_000.0, 0.0),
            ("decode", 2_000_000.0, 1.5), ("detect", 2_000_001.5, 2.5),
        ]  # fmt: skip
        assert (told["clips"], told["duration_ms"]) == (1, 3_000_000.0)
        assert told["_aws"]["Timestamp"] == 3_000_000

    def test_distances_and_scores_are_told_to_a_thousandth(self, monkeypatch):
        near = face(ADA, ADA)
        near = replace(near, online=replace(near.online, score=0.98765, distance=0.12345))
        (told,) = self.told(monkeypatch, [0] * 6, faces=(near,))["faces"]
        assert (told["online"]["score"], told["online"]["distance"]) == (0.988, 0.123)
        assert told["custom"]["distance"] is None

    def test_an_event_s_time_is_found_behind_a_record_that_tells_none(self):
        good = {"s3": {"object": {"key": "a"}}, "eventTime": "1970-01-01T00:00:01.500Z"}
        other = {"s3": {"object": {"key": "b"}}, "eventTime": "1970-01-01T00:00:09Z"}
        broken = {"s3": {"object": {"key": "a"}}, "eventTime": "soon"}
        for before in ({}, {"s3": 5}, broken, other, {"eventSource": "aws:sqs", "body": "{"}):
            assert event_ms({"Records": [before, good]}, "a") == 1500.0
        assert event_ms({"Records": [other]}, "a") is None


def clip(name: str) -> ClipRef:
    key = ClipKey("lab", "2026-11-22", name)
    return ClipRef("bucket", str(key), key, 5, etag=name)


@dataclass
class Turn:
    request_id: str = "r1"

    def lease_s(self) -> float:
        return 60.0

    def has_time(self) -> bool:
        return True


class TestReconciler:
    NOW = 10_000.0

    def reconciler(self, ledger=None, letters=(), stored=()) -> Reconciler:
        self.deleted: list[str] = []
        self.back: list[str] = []
        self.sent: list[ClipRef] = []
        box = SimpleNamespace(
            take=lambda: letters, delete=lambda one: self.deleted.append(one.message_id),
            put_back=lambda one: self.back.append(one.message_id),
        )  # fmt: skip
        bucket = SimpleNamespace(list=lambda: stored)
        sender = SimpleNamespace(send=self.sent.append)
        return Reconciler(bucket, ledger, box, sender, Turn(), lambda: self.NOW)

    def test_a_lease_that_ends_now_is_over(self):
        for until_s, is_over in ((self.NOW, True), (self.NOW + 0.01, False)):
            row = Row(State.STARTED, until_s, "r")
            assert self.reconciler()._is_missing(row, has_letter=False) == is_over

    def test_a_letter_that_names_another_clip_too_stays(self):
        ledger = Ledger(FakeDynamoDB(), "clips")
        for name in "ab":
            ledger.give_up(clip(name), "x1", 60)
            ledger.note_letter(clip(name), "x1")
        both = Letter("m1", "receipt", (clip("a"), clip("b")))
        reconciler = self.reconciler(ledger, [both], [Listed(clip("a"), self.NOW - 5000)])
        assert reconciler.run(1200).sent == 1
        assert self.sent == [clip("a")]
        assert (self.deleted, self.back) == ([], ["m1"])

    def test_a_clip_s_age_counts_from_its_limit_on(self):
        ledger = Ledger(FakeDynamoDB(), "clips")
        listed = [Listed(clip("a"), self.NOW - 1200), Listed(clip("b"), self.NOW - 1199.9)]
        reconciler = self.reconciler(ledger, stored=listed)
        assert reconciler.run(1200).sent == 1
        assert self.sent == [clip("a")]
