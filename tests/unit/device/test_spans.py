"""The device's spans: written beside the work, bounded, private, and never in its way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Event

from cloud.traces import traces_folder
from contract.traces import ClipTrace
from device.spans import SpanFile, span_file


def written(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_spans_are_lines_that_only_their_owner_reads(tmp_path):
    path = span_file(tmp_path, "lab", "camera")
    spans = SpanFile(path, "camera")
    spans.add("c1", "record", 1_000, 500)
    spans.add("c1", "upload", 1_510.25, -1)  # a clock was set back meanwhile
    spans.close()
    first, second = written(path)
    assert first == {
        "clip_id": "c1",
        "trace_id": ClipTrace.of("lab", "c1").trace_id,
        "station": "camera",
        "name": "record",
        "start_ms": 1_000,
        "duration_ms": 500,
    }
    assert second["duration_ms"] == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_full_file_makes_way_and_two_are_the_most(tmp_path):
    path = span_file(tmp_path, "lab", "camera")
    for round_ in range(4):
        spans = SpanFile(path, "camera", max_bytes=100)
        for number in range(5):
            spans.add(f"c{round_}-{number}", "record", 1, 1)
        spans.close()
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name, path.name + ".1"]
    assert written(path)[0]["clip_id"] == "c3-0"
    assert written(path.with_name(path.name + ".1"))[0]["clip_id"] == "c2-0"


def test_a_disk_that_takes_nothing_is_in_nobodys_way(tmp_path):
    (tmp_path / "lab").write_text("a file where the folder should be")
    spans = SpanFile(span_file(tmp_path, "lab", "camera"), "camera")
    began = time.monotonic()
    for number in range(1000):
        spans.add(f"c{number}", "record", 1, 1)
    assert time.monotonic() - began < 1
    spans.close()


def test_a_disk_that_takes_spans_again_gets_those_that_follow(tmp_path, monkeypatch):
    tried = Event()

    def broken(folder: Path) -> None:
        tried.set()
        raise OSError("no room")

    path = span_file(tmp_path, "lab", "camera")
    spans = SpanFile(path, "camera")
    with monkeypatch.context() as disk:
        disk.setattr("device.spans.make_private_folder", broken)
        spans.add("lost", "record", 1, 1)
        assert tried.wait(30)
    spans.add("kept", "record", 1, 1)
    spans.close()
    assert [one["clip_id"] for one in written(path)] == ["kept"]


def test_a_span_costs_the_recorder_next_to_nothing(tmp_path):
    spans = SpanFile(span_file(tmp_path, "lab", "camera"), "camera")
    began = time.process_time()
    for number in range(1000):
        spans.add(f"c{number}", "record", 1, 1)
    assert (time.process_time() - began) / 1000 < 0.0005  # four a clip: below 2 ms
    spans.close()


def test_off_by_the_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("FACELAB_TRACES", "off")
    assert traces_folder(tmp_path) is None
    monkeypatch.setenv("FACELAB_TRACES", str(tmp_path / "elsewhere"))
    assert traces_folder(tmp_path) == tmp_path / "elsewhere"
    monkeypatch.delenv("FACELAB_TRACES")
    assert traces_folder(tmp_path) == tmp_path
    SpanFile(None, "camera").add("c1", "record", 1, 1)
