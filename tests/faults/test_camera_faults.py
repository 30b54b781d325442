"""What a device's daily life does to the camera: power cuts, bad networks, full disks."""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path

import pytest

from contract.clips import ClipKey
from device.sources.fixture import cut_at_key_frames
from tests.fakes.cloud import Failure, FakeCloud
from tests.fakes.h264 import stream
from tests.fakes.programs import Program
from tests.faults.report import Row

KILLS = 20


class Lab:
    """A cloud, a film of some clips, and a spool."""

    def __init__(self, folder: Path, clips: int = 40, frame_bytes: int = 700) -> None:
        self.film = stream(clips * 15, frame_bytes=frame_bytes)
        self.path = folder / "film.h264"
        self.path.write_bytes(self.film)
        self.cuts = [self.film[c.start : c.end] for c in cut_at_key_frames(self.film, 15)]
        self.spool = folder / "spool"
        self.cloud = FakeCloud()
        self.cameras: list[Program] = []

    def camera(self, *arguments: object, speed: float = 4) -> Program:
        camera = Program(
            "device.camera",
            *("--source", self.path, "--spool", self.spool, "--speed", speed, *arguments),
            environment=self.cloud.environment,
        )
        self.cameras.append(camera)
        return camera

    def fill(self, row: Row) -> None:
        """There is no function here: a clip that S3 has whole counts as answered.

        Not counted as sent: what a camera dropped and said so, what waits for its next start,
        and the clip that a killed one had only begun to keep.
        """
        kept: set[str] = set()
        for camera in self.cameras:
            safe = "stored", "uploaded"
            events = safe if camera.was_killed else ("clip",)
            kept |= {line["clip_id"] for event in events for line in camera.of(event)}
            kept -= {line["clip_id"] for line in camera.of("dropped")}
        kept -= {path.name.partition(".")[0] for path in self.waiting()}
        row.count(sorted(kept), sorted(self.arrived().keys() & kept))

    def arrived(self) -> dict[str, bytes]:
        return {ClipKey.parse(put.key).clip_id: put.data for put in self.cloud.puts}

    def waiting(self) -> list[Path]:
        """What S3 does not have, as far as the spool knows."""
        clips = [path for path in self.spool.rglob("*") if path.suffix in (".h264", ".part")]
        return [clip for clip in clips if clip.parent.name != "sent"]

    def assert_the_film_arrived(self, camera: Program) -> None:
        """Every clip once, and together the film, byte for byte."""
        arrived = self.arrived()
        clips = sorted(camera.of("clip"), key=lambda clip: clip["sequence"])
        assert b"".join(arrived[clip["clip_id"]] for clip in clips) == self.film
        assert self.waiting() == []

    def assert_recording_never_paused(self, camera: Program) -> None:
        clips = camera.of("clip")
        assert len(clips) == len(self.cuts)
        for before, after in itertools.pairwise(clips):
            assert abs(after["capture_start_ms"] - before["capture_end_ms"]) <= 2
            length = after["capture_end_ms"] - after["capture_start_ms"]
            assert abs(length - 125) <= 2


@pytest.fixture
def lab(tmp_path: Path, row: Row):
    lab = Lab(tmp_path)
    with lab.cloud:
        yield lab
    lab.fill(row)


def test_kill_9_at_random_moments_loses_at_most_the_clip_being_recorded(lab: Lab):
    chance = random.Random(20)  # noqa: S311
    announced: list[list[str]] = []
    safe: set[str] = set()
    for _ in range(KILLS):
        # Half of the runs have no cloud: then the spool is all there is.
        offline = chance.random() < 0.5
        lab.cloud.put_failure = lambda key, off=offline: Failure(503, "SlowDown") if off else None
        with lab.camera("--loop", speed=2) as camera:
            camera.wait_for("start")
            threading.Event().wait(chance.uniform(0.0, 1.2))
            camera.kill()
        announced.append([clip["clip_id"] for clip in camera.of("clip")])
        for event in ("stored", "uploaded"):
            safe.update(line["clip_id"] for line in camera.of(event))
    lab.cloud.put_failure = lambda key: None
    with lab.camera("--count", 1) as camera:
        assert camera.end() == 0
    arrived = lab.arrived()
    assert safe <= arrived.keys()
    for clips in announced:
        assert set(clips[:-1]) <= arrived.keys(), "only the last clip may be lost"
    assert set(arrived.values()) <= set(lab.cuts), "a half clip was uploaded"
    assert lab.cloud.broken_puts == []
    assert lab.waiting() == []
    assert sum(len(clips) for clips in announced) >= KILLS


def test_a_network_cut_in_the_middle_loses_and_doubles_nothing(lab: Lab):
    with lab.camera() as camera:
        camera.wait_for("uploaded", 8)
        lab.cloud.down()
        recorded = len(camera.of("clip"))
        camera.wait_for("clip", recorded + 12)
        assert camera.of("link")[0]["problem"] == "network"
        lab.cloud.up()
        assert camera.end() == 0
    lab.assert_the_film_arrived(camera)
    lab.assert_recording_never_paused(camera)
    assert [line["state"] for line in camera.of("link")] == ["closed", "open"]


def test_connections_that_break_half_way_deliver_no_half_clip(lab: Lab):
    chance = random.Random(4)  # noqa: S311

    def sometimes(key: str) -> Failure | None:
        pick = chance.random()
        if pick < 0.2:
            return Failure(cut_after_bytes=chance.randrange(10_000))
        if pick < 0.4:
            return Failure(500, "InternalError")
        return Failure(503, "SlowDown") if pick < 0.5 else None

    lab.cloud.put_failure = sometimes
    with lab.camera() as camera:
        assert camera.end() == 0
    lab.assert_the_film_arrived(camera)
    lab.assert_recording_never_paused(camera)


def test_a_slow_cloud_does_not_slow_the_recording(lab: Lab):
    lab.cloud.put_failure = lambda key: Failure(delay_s=0.6)
    with lab.camera("--workers", 2) as camera:
        clips = camera.wait_for("clip", len(lab.cuts))
        assert len(lab.cloud.puts) < len(clips)
        lab.cloud.put_failure = lambda key: None
        assert camera.end() == 0
    lab.assert_the_film_arrived(camera)
    lab.assert_recording_never_paused(camera)


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (Failure(403, "RequestTimeTooSkewed"), "clock"),
        (Failure(400, "ExpiredToken"), "credentials"),
        (Failure(404, "NoSuchBucket"), "missing"),
        (Failure(503, "SlowDown"), "busy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_trouble_is_one_line_and_passes_without_a_restart(
    lab: Lab, failure: Failure, problem: str
):
    lab.cloud.put_failure = lambda key: failure
    with lab.camera("--count", 8) as camera:
        camera.wait_for("clip", 6)
        lab.cloud.put_failure = lambda key: None
        assert camera.end() == 0
    closed = [line for line in camera.of("link") if line["state"] == "closed"]
    assert [line["problem"] for line in closed] == [problem]
    assert len(lab.arrived()) == 8


HTML = b"<html>Sign in to the campus network</html>"


@pytest.mark.parametrize("status", [200, 302, 403, 503])
def test_a_network_that_answers_in_s3_s_place_costs_no_clip(lab: Lab, status: int):
    lab.cloud.put_failure = lambda key: Failure(status, body=HTML)
    lab.cloud.sts_failure = lambda: Failure(status, body=HTML)
    with lab.camera("--count", 8) as camera:
        camera.wait_for("clip", 4)
        camera.wait_for("link")
        lab.cloud.sts_failure = lambda: None
        camera.wait_for("clip", 8)
        lab.cloud.put_failure = lambda key: None
        assert camera.end() == 0
    assert len(lab.arrived()) == 8
    assert camera.of("refused") == []


def test_over_budget_the_oldest_clips_go_and_the_count_is_shown(lab: Lab):
    lab.cloud.down()
    with lab.camera("--spool-budget", "64K", "--drain-timeout", 1) as camera:
        assert camera.end() == 1
    (summary,) = camera.of("summary")
    assert summary["spool_bytes"] <= 64 * 1024
    assert summary["recorded"] == len(lab.cuts)
    assert summary["dropped"] == len(lab.cuts) - summary["waiting"] > 0
    lab.cloud.up()
    with lab.camera("--count", 1) as later:
        assert later.end() == 0
    kept = [clip["clip_id"] for clip in camera.of("clip")][-summary["waiting"] :]
    assert set(kept) <= lab.arrived().keys(), "the newest clips were to be kept"


def test_started_without_a_network_it_records_all_the_same(lab: Lab):
    lab.cloud.down()
    with lab.camera("--count", 6) as camera:
        camera.wait_for("stored", 6)
        lab.cloud.up()
        assert camera.end() == 0
    assert len(lab.arrived()) == 6


def test_ctrl_c_is_clean_and_quick_and_keeps_what_waits(lab: Lab):
    with lab.camera("--loop") as camera:
        camera.wait_for("uploaded", 3)
        camera.interrupt()
        assert camera.end() == 0
    assert camera.errors == ""
    (summary,) = camera.of("summary")
    assert summary["uploaded"] == summary["recorded"] == len(lab.arrived())


def test_ctrl_c_without_a_network_leaves_the_clips_for_the_next_start(lab: Lab):
    with lab.camera("--loop") as camera:
        camera.wait_for("uploaded", 1)
        lab.cloud.down()
        camera.wait_for("clip", 8)
        camera.interrupt()
        assert camera.end(30) == 1
    assert camera.errors == ""
    assert len(lab.waiting()) == camera.of("summary")[0]["waiting"] > 0


def test_a_second_camera_on_the_same_spool_is_told_so(lab: Lab):
    with lab.camera("--loop") as first:
        first.wait_for("start")
        with lab.camera() as second:
            assert second.end() == 2
        assert "another camera already records as lab" in second.errors
        assert "Traceback" not in second.errors
