"""Small things of the function at their edges."""

from __future__ import annotations

import io
import logging

import pytest
from botocore.exceptions import ClientError

import stores
from artifacts import Artifact
from contract.spans import Span
from recognition import Stopwatch
from stores import StoreError, rows_by_key
from tests.fakes.dynamodb import FakeDynamoDB
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


def test_each_further_look_waits_up_to_twice_as_long(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(stores.random, "uniform", lambda low, high: high)
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
    watch.include({"look": 1.005, "other": 2.0})
    assert watch.milliseconds() == {"look": 751.0, "fail": 125.0, "other": 2.0}
