"""Results that repeat, come late or come to a program that was killed."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import threading
from pathlib import Path

import pytest

from tests.fakes.cloud import FakeCloud
from tests.fakes.h264 import stream
from tests.fakes.programs import Program
from tests.fakes.results import answer_each_clip, result
from tests.faults.report import Row

QUEUE = "facelab-results-lab"


@pytest.fixture
def cloud():
    with FakeCloud(visibility_s=0.5) as cloud:
        cloud.queues[QUEUE] = []
        yield cloud


def messages(cloud: FakeCloud, folder: Path, *arguments: object) -> Program:
    return Program(
        "device.messages", *("--spool", folder / "spool", *arguments), environment=cloud.environment
    )


def test_kill_9_loses_no_result_and_repeats_only_the_one_being_shown(
    cloud: FakeCloud, tmp_path: Path, row: Row
):
    chance = random.Random(7)  # noqa: S311
    names = [f"clip-{number:03d}" for number in range(120)]
    shown: list[str] = []
    may_repeat: set[str] = set()
    for kill in range(8):
        for name in names[kill * 15 : (kill + 1) * 15]:
            for _ in range(chance.choice([1, 1, 2, 3])):
                cloud.send(QUEUE, result(name).to_json())
        with messages(cloud, tmp_path) as program:
            program.wait_for("start")
            program.wait_for("result")
            threading.Event().wait(chance.uniform(0.0, 0.1))
            program.kill()
        results = [line["clip_id"] for line in program.of("result")]
        shown += results
        may_repeat.add(results[-1])
    with messages(cloud, tmp_path) as program:
        program.wait_for("start")  # the queue may be empty before the program can be interrupted
        assert cloud.wait_for(lambda: not cloud.queues[QUEUE], seconds=60)
        program.interrupt()
        assert program.end() == 0, program.errors
    shown += [line["clip_id"] for line in program.of("result")]
    row.count(names, shown, may_repeat=len(may_repeat))
    assert sorted(set(shown)) == names
    assert {name for name in shown if shown.count(name) > 1} <= may_repeat


def test_ctrl_c_ends_a_long_poll_at_once_with_a_summary(cloud: FakeCloud, tmp_path: Path):
    cloud.send(QUEUE, result("a").to_json())
    with messages(cloud, tmp_path) as program:
        program.wait_for("result")
        program.interrupt()
        assert program.end(10) == 0
    assert program.errors == ""
    (summary,) = program.of("summary")
    assert summary["count"] == 1
    assert cloud.queues[QUEUE] == []


def test_a_malformed_message_does_not_stop_the_next(cloud: FakeCloud, tmp_path: Path):
    cloud.send(QUEUE, "not a result")
    cloud.send(QUEUE, result("a").to_json())
    with messages(cloud, tmp_path, "--count", 1) as program:
        assert program.end() == 0
    assert len(program.of("malformed")) == 1
    assert "not a result" in (tmp_path / "spool/lab/rejected-messages.jsonl").read_text()
    assert cloud.wait_for(lambda: not cloud.queues[QUEUE])


def test_no_message_silences_the_program(cloud: FakeCloud, tmp_path: Path):
    """Each of these once ended the polling thread, and the program lived on, deaf."""
    whole = result("x").to_json()
    bad = [
        whole.replace('"capture_end_ms":1000', '"capture_end_ms":' + "9" * 400),
        whole.replace('"clip_id":"x"', r'"clip_id":"\ud800"'),
        whole.replace('"clip_id":"x"', '"clip_id":null'),
        whole.replace('"device_id":"lab"', '"device_id":["lab"]'),
        "[" * 100_000,
    ]
    for number, body in enumerate(bad):
        cloud.send(QUEUE, body)
        cloud.send(QUEUE, result(f"good-{number}").to_json())
    with messages(cloud, tmp_path, "--count", len(bad)) as program:
        assert program.end() == 0, program.errors
    assert len(program.of("malformed")) == len(bad)
    assert cloud.wait_for(lambda: not cloud.queues[QUEUE])
    rejected = tmp_path / "spool/lab/rejected-messages.jsonl"
    assert [json.loads(line)["body"] for line in rejected.read_text().splitlines()] == bad


def test_what_an_ended_viewer_had_received_the_next_one_has_at_once(tmp_path: Path):
    with FakeCloud(visibility_s=10_000) as cloud:
        for name in "abcdefgh":
            cloud.send(QUEUE, result(name).to_json())
        with messages(cloud, tmp_path, "--count", 3) as first:
            assert first.end() == 0
        with messages(cloud, tmp_path, "--count", 5) as second:
            assert second.end() == 0
    shown = [line["clip_id"] for line in first.of("result") + second.of("result")]
    assert sorted(shown) == list("abcdefgh")


def test_several_devices_are_shown_by_one_program(cloud: FakeCloud, tmp_path: Path):
    for device in ("pi-01", "pi-02"):
        cloud.send(f"facelab-results-{device}", result(f"of-{device}", device_id=device).to_json())
    both = ("--device", "pi-01", "--device", "pi-02", "--count", 2)
    with messages(cloud, tmp_path, *both) as program:
        assert program.end() == 0
    assert {line["device_id"] for line in program.of("result")} == {"pi-01", "pi-02"}


def test_a_second_viewer_of_the_same_device_is_told_so(cloud: FakeCloud, tmp_path: Path):
    with messages(cloud, tmp_path) as first:
        first.wait_for("start")
        with messages(cloud, tmp_path) as second:
            assert second.end() == 2
    assert "another messages process" in second.errors
    assert "Traceback" not in second.errors


def test_clips_that_the_cloud_forgot_are_sent_again_until_answered(
    cloud: FakeCloud, tmp_path: Path, row: Row
):
    """The emulator keeps no state: killed, it forgets clips that it had confirmed."""
    film = tmp_path / "film.h264"
    film.write_bytes(stream(8 * 15))
    lost: set[str] = set()

    def forgetful(cloud: FakeCloud, stored) -> None:
        if len(lost) < 3:
            lost.add(stored.key)
        else:
            answer_each_clip(cloud, stored)

    cloud.on_put = forgetful
    with (
        messages(cloud, tmp_path) as viewer,
        Program(
            "device.camera",
            *("--source", film, "--spool", tmp_path / "spool", "--speed", 4),
            *("--keep-until-answered", "--answer-timeout", 2),
            environment=cloud.environment,
        ) as camera,
    ):
        assert camera.end() == 0
        shown = [line["clip_id"] for line in viewer.wait_for("result", 8)]
    recorded = [line["clip_id"] for line in camera.of("clip")]
    row.count(recorded, shown)
    assert sorted(shown) == sorted(recorded)
    (summary,) = camera.of("summary")
    assert summary["answered"] == 8
    assert summary["resent"] >= 3


HOSTILE = {
    "no JSON": "<html>",
    "null": "null",
    "deep nesting": "[" * 100_000,
    "a long number": json.dumps({"schema": "facelab.result/1"})[:-1]
    + ', "sequence": '
    + "9" * 5000
    + "}",
    "a lone surrogate": '{"schema": "facelab.result/1", "clip_id": "\\ud800"}',
    "another schema": '{"schema": "facelab.result/2"}',
}
STEERING = "\x1b[2J\x1b]0;owned\x07"
FIELDS = {
    "clip_id": (None, 7, [], "a" * 300_000),
    "device_id": (["lab"], None, "../lab", "pi-02"),
    "capture_end_ms": (int("9" * 400), -1, "now", 1e308),
    "faces": (None, {}, [None], [[]], [{}] * 5000),
    "status": (None, "named", 3),
    "stages_ms": (None, {"a": None}, {"a": float("nan")}),
}


def hostile_messages() -> dict[str, str]:
    good = json.loads(result("hostile").to_json())
    fields = {
        f"{name} {value!r:.20}": json.dumps({**good, name: value})
        for name, values in FIELDS.items()
        for value in values
    }
    return {**HOSTILE, **fields}


def test_hostile_messages_neither_silence_nor_steer_the_program(
    cloud: FakeCloud, tmp_path: Path, row: Row
):
    cloud.send(QUEUE, result(STEERING).to_json())  # well-formed, and shown escaped
    names = []
    for number, body in enumerate(hostile_messages().values()):
        cloud.send(QUEUE, body)
        names.append(f"good-{number:02d}")
        cloud.send(QUEUE, result(names[-1]).to_json())
    with messages(cloud, tmp_path) as program:
        program.wait_for("result", len(names) + 1)
        shown = [line["clip_id"] for line in program.of("result")]
        assert cloud.wait_for(lambda: not cloud.queues[QUEUE], seconds=30), "not all was taken"
        program.interrupt()
        assert program.end() == 0, program.errors
    row.count([*names, STEERING], shown)
    row.assert_kept()
    assert "\x1b" not in "".join(program.lines)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 256 KiB for a spool; needs root, as CI has."""
    folder = tmp_path / "spool"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "facelab-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this machine lets us mount no small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_silences_nothing_and_freeing_space_is_enough(
    cloud: FakeCloud, tmp_path: Path, small_disk: Path, row: Row
):
    names = [f"clip-{number:03d}" for number in range(60)]
    filler = small_disk / "filler"
    with messages(cloud, tmp_path) as program:
        program.wait_for("start")
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        for name in names:
            cloud.send(QUEUE, result(name).to_json())
        program.wait_for("result", len(names))
        program.wait_for("disk")
        filler.unlink()
        assert cloud.wait_for(lambda: not cloud.queues[QUEUE], seconds=30)
        program.wait_for("disk", 2)  # it says that it writes again
        program.interrupt()
        assert program.end() == 0, program.errors
    shown = [line["clip_id"] for line in program.of("result")]
    for name in names:  # they all come again to the next one
        cloud.send(QUEUE, result(name).to_json())
    with messages(cloud, tmp_path) as later:
        later.wait_for("duplicate", len(names))
    shown += [line["clip_id"] for line in later.of("result")]
    row.count(names, shown)
    row.assert_kept()
