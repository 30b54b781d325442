"""The line on each clip: what it says, and what it must never say or do."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import unquote_plus

import pytest

from contract.clips import ClipKey
from contract.results import Status
from contract.spans import CLIP_LINE
from contract.traces import ClipTrace
from events import ClipRef
from stores import StoredClip
from telemetry import Telemetry, event_ms
from tests.fakes.events import recorded
from tests.fakes.results import ADA, ALAN, face, result

REF = ClipRef("bucket", "clips/lab/d/c1.h264", ClipKey("lab", "d", "c1"), 100, "etag")
INVOCATION = "1-5759e988-bd862e3fe1be46a994272793"


class Stations:
    def fetch(self, ref: str) -> str:
        return f"bytes of {ref}"

    def recognize(self) -> None:
        time.sleep(0.01)  # takes its time


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def telemetry(lines: list[str]) -> Telemetry:
    return Telemetry(lines.append, init_started_ms=time.time() * 1000 - 700)


def tell(telemetry: Telemetry, outcome, event=None) -> None:
    with telemetry.clip(REF, "r1", event) as answered:
        answered(outcome)


def test_one_line_a_clip_in_the_embedded_metric_format(telemetry, lines):
    tell(telemetry, result("c1", face(ADA, ALAN), face(None, None), stages_ms={"claim": 3.0}))
    (line,) = lines
    assert line.endswith("\n")
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert fields["schema"] == CLIP_LINE
    assert fields["clip_id"] == "c1"
    for directive in fields["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            assert isinstance(fields[metric["Name"]], int | float), metric
        for dimension in (name for group in directive["Dimensions"] for name in group):
            assert isinstance(fields[dimension], str)
    assert abs(fields["_aws"]["Timestamp"] - time.time() * 1000) < 5_000


def test_a_clip_that_brings_a_trace_is_in_that_one(telemetry, lines, monkeypatch):
    """The device's part and the function's were two traces, and no tool showed them as one."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={INVOCATION};Parent=1;Sampled=1")
    trace = ClipTrace.of("lab", "c1")
    stored = {"c1": StoredClip(b"", trace.to_s3()), "c2": StoredClip(b"", {})}
    clips = telemetry.watch_clips(SimpleNamespace(fetch=stored.__getitem__))
    for name in stored:
        with telemetry.clip(REF, "r1", None) as answered:
            assert clips.fetch(name) is stored[name]
            answered(result(name))
    own, without = map(json.loads, lines)
    assert (own["trace_id"], own["invocation_trace_id"]) == (trace.xray_id, INVOCATION)
    assert without["trace_id"] == without["invocation_trace_id"] == INVOCATION
    assert [span["name"] for span in own["spans"]] == ["answer", "fetch"]


def test_a_failed_try_has_every_metric_too(telemetry, lines):
    with pytest.raises(ZeroDivisionError), telemetry.clip(REF, "r1", {}):
        1 / 0  # noqa: B018
    fields = json.loads(lines[0])
    assert (fields["status"], fields["reason"]) == ("failed", "ZeroDivisionError")
    for directive in fields["_aws"]["CloudWatchMetrics"]:
        assert all(metric["Name"] in fields for metric in directive["Metrics"])


def test_nobody_is_named_so_forgetting_has_nothing_to_find(telemetry, lines):
    """The log can't be redacted: what is in it stays until it expires."""
    tell(telemetry, result("c1", face(ADA, ALAN), face(ALAN, ALAN)))
    for person in (ADA, ALAN):
        for word in (person.person_id, person.name, *person.name.split(), person.major):
            assert word.lower() not in lines[0].lower()
    first, second = json.loads(lines[0])["faces"]
    assert (first["custom"]["person"], first["online"]["person"]) == (0, 1)
    assert second["person"] == 1
    assert json.loads(lines[0])["people"] == 2


def test_calls_become_spans_and_recognition_has_its_stages(telemetry, lines):
    stations = telemetry.watch(Stations(), fetch="fetch", recognize="recognize")
    with telemetry.clip(REF, "r1", None) as answered:
        assert stations.fetch("c1") == "bytes of c1"
        stations.recognize()
        stages = {"decode": 2.0, "detect": 5.0, "claim": 9.0}
        answered(result("c1", status=Status.NO_FACE, stages_ms=stages, init_ms=500.0))
    spans = {span["name"]: span for span in json.loads(lines[0])["spans"]}
    assert next(iter(spans)) == "init"
    assert spans["recognize"]["duration_ms"] >= 10
    assert spans["answer"]["duration_ms"] >= spans["recognize"]["duration_ms"]
    assert spans["detect"]["parent"] == "recognize"
    assert spans["detect"]["summed"]
    assert "claim" not in spans  # no call of that name was watched
    fields = json.loads(lines[0])
    for name in ("fetch", "recognize"):
        assert fields[f"{name}_ms"] == pytest.approx(spans[name]["duration_ms"], abs=0.01)
    counted = {
        one["Name"]: one["Unit"] for one in fields["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    assert counted == {
        "duration_ms": "Milliseconds", "faces_found": "Count", "cold_starts": "Count",
        "fetch_ms": "Milliseconds", "recognize_ms": "Milliseconds",
    }  # fmt: skip


def test_a_stage_that_was_tried_again_counts_whole(telemetry, lines):
    stations = telemetry.watch(Stations(), fetch="fetch")
    with telemetry.clip(REF, "r1", None) as answered:
        stations.fetch("c1")
        stations.fetch("c1")
        answered(result("c1"))
    fields = json.loads(lines[0])
    both = [one["duration_ms"] for one in fields["spans"] if one["name"] == "fetch"]
    assert len(both) == 2
    assert fields["fetch_ms"] == pytest.approx(sum(both), abs=0.01)


def test_spans_of_one_clip_are_not_told_of_the_next(telemetry, lines):
    stations = telemetry.watch(Stations(), fetch="fetch")
    with telemetry.clip(REF, "r1", None) as answered:
        stations.fetch("c1")
        answered(result("c1", status=Status.NO_FACE))
    tell(telemetry, result("c2", status=Status.NO_FACE))
    assert [span["name"] for span in json.loads(lines[1])["spans"]] == ["answer"]


def test_a_clip_that_was_answered_before_has_no_second_line(telemetry, lines):
    tell(telemetry, None)
    assert lines == []


def test_a_full_log_fails_no_clip():
    """The result was sent: to fail now would put a letter beside it."""

    def broken(line: str) -> None:
        raise OSError("no room")

    tell(Telemetry(broken), result("c1", status=Status.NO_FACE))


def test_off_it_costs_and_writes_nothing(lines, monkeypatch):
    monkeypatch.setenv("FACELAB_TRACES", "off")
    telemetry, stations = Telemetry(lines.append), Stations()
    assert telemetry.watch(stations, fetch="fetch") is stations
    tell(telemetry, result("c1", status=Status.NO_FACE))
    assert lines == []


def test_it_costs_a_clip_less_than_two_milliseconds(telemetry):
    answer = result("c1", *[face(ADA, ALAN)] * 3, stages_ms={"decode": 1.0, "detect": 2.0})
    event = recorded("s3-put")
    spent = []
    for _ in range(30):
        began = time.process_time()
        tell(telemetry, answer, event)
        spent.append(time.process_time() - began)
    assert sorted(spent)[15] < 0.002


def test_a_long_reason_is_cut(telemetry, lines):
    tell(telemetry, replace(result("c1", status=Status.REJECTED), reason="x" * 5000))
    assert len(lines[0]) < 2000


@pytest.mark.parametrize("name", ["s3-put", "sqs-s3-put"])
def test_s3s_own_time_is_found_in_what_aws_sends(name):
    event = recorded(name)
    inner = event
    if name.startswith("sqs"):
        inner = json.loads(event["Records"][0]["body"])
    record = inner["Records"][0]
    moment = event_ms(event, unquote_plus(record["s3"]["object"]["key"]))
    assert moment is not None
    assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment / 1000)) in record["eventTime"]
    assert event_ms(event, "another key") is None


@pytest.mark.parametrize(
    "event", [None, 5, {}, {"Records": 1}, {"Records": [None, {"eventSource": "aws:sqs"}]}]
)
def test_an_event_that_is_not_awss_has_no_time(event):
    assert event_ms(event, "k") is None
