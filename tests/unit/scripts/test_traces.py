"""One clip's life from its parts: nothing invented, nothing missing unnamed."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from contract.clips import ClipKey
from contract.spans import Span
from device.spans import SpanFile, span_file
from events import ClipRef
from scripts.cli import trace
from scripts.traces import function_log, otlp
from scripts.traces.clip_line import read_clip_line
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.following import Following
from scripts.traces.function_log import FunctionLog, NoSuchClip
from scripts.traces.picture import bar, show
from scripts.traces.waterfall import SpanRow, waterfall
from telemetry import Telemetry
from tests.conftest import free_port
from tests.fakes.collector import collector
from tests.fakes.results import ADA, ALAN, face, result


def a_message(clip_id: str = "c1", *faces, **more) -> str:
    """What the function really writes."""
    lines: list[str] = []
    ref = ClipRef("b", f"clips/lab/d/{clip_id}.h264", ClipKey("lab", "d", clip_id), 10, "e")
    with Telemetry(lines.append).clip(ref, "r1", None) as answered:
        answered(result(clip_id, *faces, **more))
    return lines[0]


def a_line(**more):
    line = read_clip_line(a_message("c1", face(ADA, ALAN)))
    assert line is not None
    return replace(line, **more)


def test_what_the_function_writes_is_what_is_read():
    line = read_clip_line(a_message("c1", face(ADA, ALAN)), 17, "stream")
    assert line is not None
    assert (line.clip_id, line.device_id, line.logged_ms, line.people) == ("c1", "lab", 17, 2)
    assert (line.faces[0].custom.person, line.faces[0].online.person) == (0, 1)
    assert line.capture_end_ms == 1_000
    assert [span.name for span in line.spans] == ["answer"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: fields.pop("clip_id"),
        lambda fields: fields.update(clip_id=["a"]),
        lambda fields: fields.update(clip_id="x" * 5000),
        lambda fields: fields.update(status="<script>"),
        lambda fields: fields.update(faces=[{"box": "no"}]),
        lambda fields: fields.update(faces=5),
        lambda fields: fields.update(spans=None),
        lambda fields: fields.update(people=-1),
        lambda fields: fields.update(duration_ms=float("nan")),
        lambda fields: fields.update(schema="facelab.clip/2"),
    ],
)
def test_a_line_that_somebody_else_wrote_is_refused(spoil):
    """Anything may print into a log."""
    fields = json.loads(a_message("c1", face(ADA, ALAN)))
    spoil(fields)
    assert read_clip_line(json.dumps(fields)) is None


@pytest.mark.parametrize("text", ["", "facelab.clip/1", '"facelab.clip/1"', "[" * 50_000])
def test_whatever_else_is_in_a_log_is_passed_over(text):
    assert read_clip_line(text) is None
    assert read_clip_line("facelab.clip/1" + text) is None


FUNCTION_SPANS = (
    Span("function", "answer", 1_100, 100),
    Span("function", "fetch", 1_101, 10),
    Span("function", "recognize", 1_111, 60),
    Span("function", "detect", 1_111, 40, "recognize", True),
    Span("function", "send", 1_190, 8),
)
DEVICE_SPANS = (
    Span("camera", "record", 500, 500),
    Span("camera", "upload", 1_010, 60),
    Span("messages", "receive", 1_250, 1),
    Span("messages", "print", 1_251, 2),
)


def test_the_way_between_stations_has_a_name_and_so_has_a_gap():
    found = waterfall(a_line(spans=FUNCTION_SPANS, event_ms=1_050), DEVICE_SPANS)
    rows = {row.name: row for row in found.rows}
    assert found.total_ms == 753
    assert (rows["event"].station, rows["event"].duration_ms) == ("transit", 30)
    assert (rows["queue"].offset_ms, rows["queue"].duration_ms) == (698, 52)
    gap = rows["between record and upload"]
    assert (gap.station, gap.offset_ms, gap.duration_ms) == ("gap", 500, 10)
    assert found.notes == ()


def test_a_message_that_overtakes_the_answer_to_its_sending_waited_no_time():
    """The emulator hands it to a waiting device before the function knows that it was sent."""
    early = [*DEVICE_SPANS[:2], Span("messages", "receive", 1_194, 1), DEVICE_SPANS[3]]
    found = waterfall(a_line(spans=FUNCTION_SPANS, event_ms=1_105), early)
    rows = {row.name: row for row in found.rows}
    assert rows["queue"].duration_ms == 0
    assert rows["event"].duration_ms == 30  # S3's clock is ahead: the upload's end counts
    assert not any("behind" in note for note in found.notes)


def test_every_moment_is_in_a_span_or_in_a_named_gap():
    found = waterfall(a_line(spans=FUNCTION_SPANS, event_ms=None), DEVICE_SPANS)
    covered = 0.0
    for row in sorted(found.rows, key=lambda row: row.offset_ms):
        assert row.offset_ms <= covered + 1
        covered = max(covered, row.offset_ms + row.duration_ms)
    assert covered == found.total_ms


def test_without_the_devices_own_spans_the_capture_times_are_taken_and_it_is_said():
    found = waterfall(a_line(spans=FUNCTION_SPANS))
    assert [row.name for row in found.rows][:2] == ["record", "between record and answer"]
    assert len(found.notes) == 2


def test_stages_of_recognition_stand_below_it():
    found = waterfall(a_line(spans=FUNCTION_SPANS))
    names = [row.name for row in found.rows]
    assert names.index("detect") == names.index("recognize") + 1
    assert next(row for row in found.rows if row.name == "detect").summed


def test_a_device_whose_clock_is_behind_is_told_of():
    behind = [replace(span, start_ms=span.start_ms - 5_000) for span in DEVICE_SPANS]
    found = waterfall(a_line(spans=FUNCTION_SPANS), behind)
    assert any("behind" in note for note in found.notes)


def test_device_spans_are_read_as_their_file_grows_and_when_it_is_moved_aside(tmp_path):
    path = span_file(tmp_path, "lab", "camera")
    read = DeviceSpans(tmp_path)
    assert not read.refresh()
    for number in range(3):
        spans = SpanFile(path, "camera", max_bytes=1)  # moved aside each time
        spans.add("c1", f"step-{number}", 10 + number, 1)
        spans.close()
        with path.open("a") as file:
            file.write('{"torn')
        assert read.refresh()
    assert [span.name for span in read.of("lab", "c1")] == ["step-0", "step-1", "step-2"]
    assert read.devices() == ["lab"]
    assert read.last_seen_ms("lab") == 13


class Logs:
    def __init__(self, *messages: str) -> None:
        self.events = [{"message": text, "timestamp": 1, "logStreamName": "s"} for text in messages]

    def get_paginator(self, name: str) -> Logs:
        return self

    def paginate(self, **_: object) -> list[dict]:
        return [{"events": self.events[:1]}, {"events": self.events[1:]}]


def a_log(*messages: str) -> FunctionLog:
    names = SimpleNamespace(log_group="group")
    return FunctionLog(SimpleNamespace(client=lambda *_, **__: Logs(*messages), names=names))


def test_a_clip_is_found_by_its_id_its_beginning_or_its_end():
    log = a_log(a_message("20261128-aa"), a_message("20261128-bb"), "START something else")
    assert log.find().clip_id == "20261128-bb"
    assert log.find("20261128-aa").clip_id == "20261128-aa"
    assert log.find("-aa").clip_id == "20261128-aa"
    with pytest.raises(NoSuchClip, match="2 clips"):
        log.find("2026")
    with pytest.raises(NoSuchClip, match="says nothing"):
        log.find("nowhere")


def test_only_an_invocations_own_lines_are_a_clips_log():
    first = ["START RequestId: r0", "other", "REPORT RequestId: r0"]
    mine = ["START RequestId: r1", "mine", "END RequestId: r1", "REPORT RequestId: r1"]
    texts = [*first, *mine, "START RequestId: r2", "no"]
    assert function_log._of_invocation(texts, "r1") == mine


@pytest.mark.parametrize(("offset", "duration"), [(0, 0), (99.9, 0.1), (0, 100), (50, 1), (100, 0)])
def test_the_shortest_span_is_seen_and_none_leaves_its_column(offset, duration):
    drawn = bar(SpanRow("function", "x", "x", offset, duration, 0), 100, 20)
    assert drawn.strip()
    assert len(drawn) <= 20 + 1


def test_the_picture_has_no_colors_where_nobody_sees_them_and_obeys_no_escape():
    out = io.StringIO()
    line = a_line(spans=FUNCTION_SPANS, clip_id="evil\x1b[2Jclip")
    show(waterfall(line, DEVICE_SPANS), Console(file=out, width=120))
    assert "\x1b" not in out.getvalue()
    assert "upload to S3" in out.getvalue()
    assert "not measured, between" in out.getvalue()


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_cuts_off_no_figure(columns):
    """With 60 columns each figure stood there as its first digit and three dots."""
    slow = [Span("camera", "upload", 500.0, 123_456.7), *DEVICE_SPANS]
    out = io.StringIO()
    show(waterfall(a_line(spans=FUNCTION_SPANS), slow), Console(file=out, width=columns))
    assert "123456.7" in out.getvalue()
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= columns


# As they come


def test_each_clip_is_told_once_when_its_device_has_printed_it_or_is_elsewhere(tmp_path):
    """A failed try comes before its answer, and the device's last span after the function's."""
    now_s, lines = [1_000.0], []
    log = SimpleNamespace(
        clips=lambda since_ms: [one for one in lines if one.logged_ms >= since_ms]
    )
    spans = DeviceSpans(tmp_path)
    following = Following(log, spans, lambda: now_s[0])

    def told() -> list[tuple[str, str]]:
        return [(one.clip_id, one.status) for one in following.look()]

    lines.append(a_line(clip_id="before", logged_ms=999_000))
    lines.append(a_line(clip_id="here", device_id="lab", status="failed", logged_ms=1_000_100))
    lines.append(a_line(clip_id="here", device_id="lab", status="unknown", logged_ms=1_000_200))
    lines.append(a_line(clip_id="elsewhere", device_id="pi", logged_ms=1_000_300))
    now_s[0] += 1
    assert told() == []
    file = span_file(tmp_path, "lab", "messages")
    file.parent.mkdir()
    printed = {"clip_id": "here", "station": "messages"}
    file.write_text(
        json.dumps(printed | Span("messages", "print", 1_000_400, 1).to_fields()) + "\n"
    )
    assert told() == [("here", "unknown")]
    now_s[0] += 3
    assert told() == [("elsewhere", "unknown")]
    for _ in range(100):
        now_s[0] += 1
        assert told() == []


# For other people's tools


def test_a_collector_gets_the_spans_as_one_trace_with_parents_that_are_there():
    found = waterfall(
        a_line(spans=FUNCTION_SPANS, trace_id=f"1-{'5' * 8}-{'a' * 24}"), DEVICE_SPANS
    )
    with collector() as there:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{there.url}/",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=1, other=2",
        }
        otlp.export(found, otlp.collector(settings), settings)
    ((path, headers, _),) = there.taken
    assert (path, headers["x-key"]) == ("/v1/traces", "1")
    spans = [span for _, span in there.spans()]
    assert {span["traceId"] for span in spans} == {"5" * 8 + "a" * 24}
    ids = {span["spanId"] for span in spans}
    assert len(ids) == len(spans)
    assert [span["name"] for span in spans if "parentSpanId" not in span] == ["clip"]
    assert {span["parentSpanId"] for span in spans if "parentSpanId" in span} <= ids
    for span in spans:
        assert int(span["endTimeUnixNano"]) >= int(span["startTimeUnixNano"])
    by_name = {span["name"]: span for span in spans}
    assert by_name["detect"]["parentSpanId"] == by_name["recognize"]["spanId"]


def test_a_collector_that_is_not_there_is_said():
    found = waterfall(a_line(spans=FUNCTION_SPANS))
    assert otlp.collector({}) is None
    for url in ("http://127.0.0.1:9/v1/traces", "file:///etc/passwd"):
        with pytest.raises(otlp.NotExported):
            otlp.export(found, url, {})


def test_a_clip_is_shown_also_when_its_collector_is_away(monkeypatch, capsys):
    """`make trace` said that nobody takes the spans, and showed nothing."""
    log = SimpleNamespace(find=lambda clip: a_line(spans=FUNCTION_SPANS))
    spans = SimpleNamespace(refresh=lambda: None, of=lambda device, clip: DEVICE_SPANS)
    monkeypatch.setattr(trace, "read_switch", lambda: None)
    monkeypatch.setattr(trace, "FunctionLog", lambda switch: log)
    monkeypatch.setattr(trace, "DeviceSpans", lambda folder: spans)
    away = {otlp.ENDPOINT: f"http://127.0.0.1:{free_port()}"}
    monkeypatch.setattr(trace, "environment", lambda: away)
    with pytest.raises(otlp.NotExported):
        trace.main([])
    assert "upload to S3" in capsys.readouterr().out
