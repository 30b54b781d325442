"""What X-Ray gets of a clip: documents of its own form, by the invocation's header, or nothing."""

from __future__ import annotations

import json
import re
import socket

import pytest

from contract.clips import ClipKey
from contract.spans import Span
from contract.traces import ClipTrace
from events import ClipRef
from telemetry import Telemetry
from tests.fakes.results import ADA, face, result
from xray import MAX_DOCUMENT_BYTES, TraceHeader, XRay, daemon_address, segments, subsegment

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:0"
SPANS = (
    Span("function", "init", 500, 400),
    Span("function", "answer", 1_000, 100),
    Span("function", "fetch", 1_001, 10),
    Span("function", "recognize", 1_011, 60),
    Span("function", "detect", 1_011, 40, "recognize", True),
)
FIELDS = {"clip_id": "c1", "device_id": "lab", "status": "recognized", "reason": ""}
REF = ClipRef("b", "clips/lab/d/c1.h264", ClipKey("lab", "d", "c1"), 10, "e")


@pytest.fixture
def daemon():
    """Who takes datagrams as AWS's daemon does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


def environment(daemon, header: str = HEADER) -> dict[str, str]:
    host, port = daemon.getsockname()
    return {"AWS_XRAY_DAEMON_ADDRESS": f"{host}:{port}", "_X_AMZN_TRACE_ID": header}


def parts_of(document: dict) -> list[dict]:
    return [document, *(one for part in document.get("subsegments", ()) for one in parts_of(part))]


def test_the_document_is_what_xray_takes():
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html"""
    document = subsegment(TraceHeader.of(HEADER), FIELDS, SPANS)
    assert document["type"] == "subsegment"
    assert document["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert document["parent_id"] == "53995c3f42cd8ad8"
    assert document["annotations"] == {"clip_id": "c1", "device_id": "lab", "status": "recognized"}
    parts = parts_of(document)
    assert [part["name"] for part in parts] == ["answer", "fetch", "recognize", "detect"]
    for part in parts:
        assert re.fullmatch(r"[0-9a-f]{16}", part["id"])
        assert re.fullmatch(r"[\w\s.:/%&#=+\\\-@]{1,200}", part["name"])
        assert part["start_time"] <= part["end_time"]
    assert len({part["id"] for part in parts}) == len(parts)
    assert (document["start_time"], document["end_time"]) == (1.0, 1.1)  # seconds
    (recognize,) = (one for one in document["subsegments"] if one["name"] == "recognize")
    assert [one["name"] for one in recognize["subsegments"]] == ["detect"]


TRACE = ClipTrace.of("lab", "20261129T215719155Z-000028-000166")


def test_a_clips_own_trace_is_one_from_the_shutter_to_the_answer():
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html#api-segmentdocuments-subsegments"""
    times = {"capture_start_ms": 200, "capture_end_ms": 900}
    camera, ours = segments(TRACE, {**FIELDS, **times}, SPANS)
    for one in (camera, ours):
        assert (one["trace_id"], "type" in one) == (TRACE.xray_id, False)
        for part in parts_of(one):
            assert part["start_time"] <= part["end_time"]
            assert re.fullmatch(r"[0-9a-f]{16}", part["id"])
    assert (camera["start_time"], camera["end_time"]) == (0.2, 1.1)
    recording, away = camera["subsegments"]
    assert (recording["start_time"], recording["end_time"]) == (0.2, 0.9)
    # X-Ray draws a line from a remote subsegment to the segment that names it.
    assert (away["namespace"], away["name"]) == ("remote", ours["name"])
    assert away["id"] == ours["parent_id"] == TRACE.span_id
    assert [part["name"] for part in ours["subsegments"]] == ["fetch", "recognize"]


def test_a_clip_that_tells_no_times_has_the_function_in_its_trace():
    (ours,) = segments(TRACE, FIELDS, SPANS)
    assert "parent_id" not in ours


def test_a_clock_that_is_ahead_of_the_functions_turns_nothing_around():
    camera, ours = segments(
        TRACE, {**FIELDS, "capture_start_ms": 5_000, "capture_end_ms": 5_500}, SPANS
    )
    for part in parts_of(camera):
        assert part["start_time"] <= part["end_time"]
    assert ours["end_time"] == 1.1


def test_the_daemon_gets_the_invocations_trace_and_the_clips(daemon):
    XRay(environment(daemon))(FIELDS, SPANS, TRACE)
    found = [json.loads(daemon.recv(65_536).partition(b"\n")[2]) for _ in range(2)]
    assert [one["trace_id"] for one in found] == [TraceHeader.of(HEADER).trace_id, TRACE.xray_id]


def test_a_failed_try_is_a_fault():
    failed = subsegment(TraceHeader.of(HEADER), {**FIELDS, "status": "failed"}, SPANS)
    assert failed["fault"] is True
    assert "fault" not in subsegment(TraceHeader.of(HEADER), FIELDS, SPANS)


def test_a_clip_that_is_answered_reaches_the_daemon_after_its_line(daemon):
    lines: list[str] = []
    telemetry = Telemetry(lines.append, export=XRay(environment(daemon)))
    with telemetry.clip(REF, "r1", None) as answered:
        answered(result("c1", face(ADA, ADA), stages_ms={"detect": 5.0}))
    head, _, body = daemon.recv(65_536).partition(b"\n")
    assert json.loads(head) == {"format": "json", "version": 1}
    document = json.loads(body)
    assert document["annotations"]["clip_id"] == "c1"
    assert "ada" not in body.decode().lower()  # it names nobody
    assert len(lines) == 1


@pytest.mark.parametrize(
    "header", ["", HEADER.replace("Sampled=1", "Sampled=0"), "Root=1;Sampled=1"]
)
def test_what_aws_does_not_sample_is_not_sent(daemon, header):
    XRay(environment(daemon, header))(FIELDS, SPANS)
    daemon.settimeout(0.05)
    with pytest.raises(TimeoutError):
        daemon.recv(65_536)


def test_without_a_daemon_nothing_is_sent_and_nothing_fails():
    XRay({"_X_AMZN_TRACE_ID": HEADER})(FIELDS, SPANS)


def test_a_document_that_xray_would_refuse_is_let_go(daemon):
    many = (*SPANS, *(Span("function", f"s{n}", 1_000, 1) for n in range(MAX_DOCUMENT_BYTES // 50)))
    XRay(environment(daemon))(FIELDS, many)
    daemon.settimeout(0.05)
    with pytest.raises(TimeoutError):
        daemon.recv(65_536)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("169.254.79.129:2000", ("169.254.79.129", 2000)),
        ("tcp:127.0.0.1:2000 udp:127.0.0.1:2001", ("127.0.0.1", 2001)),
        ("", None),
        ("nonsense", None),
        ("host:port", None),
    ],
)
def test_the_daemon_is_found_as_aws_names_it(text, address):
    assert daemon_address(text) == address


def test_an_export_that_fails_repeats_no_clip():
    def broken(fields, spans):
        raise RuntimeError("no daemon")

    lines: list[str] = []
    with Telemetry(lines.append, export=broken).clip(REF, "r1", None) as answered:
        answered(result("c1", face(ADA, ADA)))
    assert len(lines) == 1
