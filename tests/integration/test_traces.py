"""A clip's trace and metrics through the real emulator, by the API that AWS has too."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.clips import ClipKey, ClipMetadata
from contract.traces import ClipTrace
from device.sources.fixture import cut_at_key_frames
from scripts.paths import ROOT
from tests.conftest import Lab, wait_until
from tests.fakes.collector import collector
from tests.fakes.programs import Program

ROUNDED_NS = 2_000  # a Unix time in ms as a float knows no less than a quarter of a microsecond


def test_a_clip_has_a_trace_names_nobody_and_is_counted_in_cloudwatch(lab: Lab):
    film = (ROOT / "fixtures" / "lab.h264").read_bytes()
    cut = list(cut_at_key_frames(film, 15))[6]  # somebody who is enrolled
    now_ms = int(time.time() * 1000)
    key = ClipKey.new("lab", now_ms - 500, 1)
    lab.switch.client("s3").put_object(
        Bucket=lab.switch.bucket,
        Key=str(key),
        Body=film[cut.start : cut.end],
        Metadata=ClipMetadata(now_ms - 500, now_ms, 1).to_s3(),
    )

    def trace() -> dict | None:
        done = lab.run("scripts.cli.facelab", "trace", key.clip_id, "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    found = wait_until(trace, 60, "the clip's trace")
    spans = {span["name"]: span for span in found["spans"]}
    stations = {"record", "event", "answer", "fetch", "recognize", "detect", "claim", "send"}
    assert stations <= spans.keys()
    assert spans["answer"]["duration_ms"] >= spans["recognize"]["duration_ms"] > 0
    assert found["trace_id"].startswith("1-")  # our own Runtime API gave it, as AWS does

    reading = lab.switch.client("logs").get_paginator("filter_log_events")
    pages = reading.paginate(logGroupName=lab.switch.names.log_group)
    said = "".join(event["message"] for page in pages for event in page["events"]).lower()
    people = lab.switch.client("dynamodb").scan(TableName=lab.switch.names.people_table)["Items"]
    assert people
    for row in people:
        assert row["person_id"]["S"] not in said
        assert row["name"]["S"].lower() not in said

    answer = lab.switch.client("cloudwatch").get_metric_statistics(
        Namespace="facelab",
        MetricName="clips",
        Dimensions=[{"Name": "status", "Value": found["status"]}],
        StartTime=datetime.now(UTC) - timedelta(minutes=30),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in answer["Datapoints"]) >= 1
    listed = lab.switch.client("cloudwatch").list_metrics(Namespace="facelab")["Metrics"]
    assert {one["MetricName"] for one in listed} >= {
        "clips", "faces_found", "cold_starts", "duration_ms", "fetch_ms", "recognize_ms", "send_ms"
    }  # fmt: skip


def test_a_collector_gets_what_device_and_function_do_with_each_clip(lab: Lab, tmp_path: Path):
    environment = {**lab.env, "FACELAB_TRACES": str(tmp_path)}
    spool = ("--device", "lab", "--spool", tmp_path)
    with (
        collector() as there,
        subprocess.Popen(
            [sys.executable, "-m", "scripts.cli.trace", "--follow"],
            env={**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": there.url}, cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        ) as following,
    ):  # fmt: skip
        try:
            assert following.stderr is not None
            assert there.url in following.stderr.readline()
            with (
                Program("device.messages", *spool, environment=environment),
                Program("device.camera", *spool, "--count", 1, environment=environment) as camera,
            ):
                (clip,) = camera.wait_for("clip")
                wait_until(lambda: there.taken, 60, "the clip's spans")
                assert camera.end() == 0
        finally:
            following.terminate()
    ((path, headers, _),) = there.taken
    assert (path, headers["content-type"]) == ("/v1/traces", "application/json")
    found = there.spans()
    own_id = clip["clip_id"]
    own = ClipTrace.of("lab", own_id)
    assert {span["traceId"] for _, span in found} == {own.trace_id}
    stored = lab.switch.client("s3").head_object(Bucket=lab.switch.bucket, Key=clip["key"])
    assert ClipTrace.from_s3(stored["Metadata"]) == own
    files = [*tmp_path.glob("lab/spans.camera.jsonl"), *tmp_path.glob("lab/spans.messages.jsonl")]
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    ours = [line for line in lines if line["clip_id"] == own_id]
    assert {line["trace_id"] for line in ours} == {own.trace_id}
    assert {line["station"] for line in ours} == {"camera", "messages"}
    names = {(service, span["name"]) for service, span in found}
    assert clip["clip_id"] in json.dumps(there.taken)
    assert {
        ("facelab", "clip"), ("facelab-camera", "record"), ("facelab-camera", "upload"),
        ("facelab-function", "recognize"), ("facelab-function", "send"),
        ("facelab-messages", "print"),
    } <= names  # fmt: skip
    # All of one clip's life lies within the clip's own span.
    (whole,) = (span for service, span in found if service == "facelab")
    assert whole["spanId"] == own.span_id  # which the clip's metadata names
    for _, span in found:
        assert int(whole["startTimeUnixNano"]) <= int(span["startTimeUnixNano"]) + ROUNDED_NS
        assert int(span["endTimeUnixNano"]) <= int(whole["endTimeUnixNano"]) + ROUNDED_NS
