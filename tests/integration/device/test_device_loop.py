"""The device programs as processes, against the real emulator."""

from __future__ import annotations

import itertools
import os
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest

from device.sources.fixture import cut_at_key_frames
from scripts.console import Progress
from scripts.paths import ROOT
from scripts.provision.devices import add_device, remove_device
from tests.conftest import Lab
from tests.fakes.programs import Program
from tests.fakes.proxy import Proxy

FILM = ROOT / "fixtures" / "lab.h264"
DEVICES = tuple(f"pi-{number:02d}" for number in range(1, 5))
# At 2 clips a second and device. `FACELAB_SOAK_CLIPS=120` makes it a minute.
CLIPS = int(os.environ.get("FACELAB_SOAK_CLIPS", "8"))
ANSWER_S = 120.0


@pytest.fixture(scope="module")
def devices(lab: Lab):
    progress = Progress()
    for device in DEVICES:
        add_device(lab.switch, device, progress)
    yield DEVICES
    for device in DEVICES:
        remove_device(lab.switch, device, progress)


def program(lab: Lab, module: str, *arguments: object, endpoint: str | None = None) -> Program:
    environment = {"FACELAB_BACKEND": "embedded", "FACELAB_PORT": str(lab.port)}
    if endpoint:
        environment["AWS_ENDPOINT_URL"] = endpoint
    return Program(module, *arguments, environment=environment)


def metrics_of(running: Program) -> str:
    """What Prometheus would read."""
    (said,) = running.of("metrics")
    with urlopen(f"http://127.0.0.1:{said['port']}/metrics") as answer:
        return answer.read().decode()


def ids(events: list[dict]) -> list[str]:
    return sorted(event["clip_id"] for event in events)


def test_every_result_of_four_devices_reaches_its_own_device_only(
    lab: Lab, devices: tuple[str, ...], tmp_path: Path
):
    viewers, cameras = {}, {}
    with ExitStack() as stack:
        for device in devices:
            mine = ("--device", device, "--spool", tmp_path / device, "--metrics-port", 0)
            viewers[device] = stack.enter_context(program(lab, "device.messages", *mine))
            viewers[device].wait_for("start")
        for device in devices:
            mine = ("--device", device, "--spool", tmp_path / device, "--count", CLIPS)
            cameras[device] = stack.enter_context(program(lab, "device.camera", *mine, "--loop"))
        for device in devices:
            assert cameras[device].end(CLIPS + ANSWER_S) == 0
            viewers[device].wait_for("result", CLIPS, seconds=ANSWER_S)
        for device in devices:
            results = viewers[device].of("result")
            assert ids(results) == ids(cameras[device].of("clip"))
            assert {result["device_id"] for result in results} == {device}
            assert f"facelab_results_shown_total {CLIPS}\n" in metrics_of(viewers[device])


def test_a_network_cut_in_the_middle_leaves_no_clip_unanswered_and_none_doubled(
    lab: Lab, tmp_path: Path
):
    count = 30
    spool = ("--device", "lab", "--spool", tmp_path)
    with (
        Proxy(lab.port) as network,
        program(lab, "device.messages", *spool, endpoint=network.url) as viewer,
        program(
            lab, "device.camera", *spool, "--count", count, "--speed", 2, "--metrics-port", 0,
            endpoint=network.url,
        ) as camera,
    ):  # fmt: skip
        camera.wait_for("uploaded", 6)
        network.down()
        recorded = len(camera.of("clip"))
        camera.wait_for("clip", recorded + 8)
        told = metrics_of(camera)
        network.up()
        assert camera.end(ANSWER_S) == 0
        shown = viewer.wait_for("result", count, seconds=ANSWER_S)
        clips = sorted(camera.of("clip"), key=lambda clip: clip["sequence"])
        assert ids(shown) == ids(clips)
        assert [line["state"] for line in camera.of("link")] == ["closed", "open"]
    # What Prometheus saw while nothing answered: recording went on, and what it recorded waited.
    counts = {line.split("{")[0]: line.split()[-1] for line in told.splitlines()}
    assert int(counts["facelab_clips_recorded_total"]) >= recorded + 8
    assert int(counts["facelab_clips_waiting"]) >= 8
    assert int(counts["facelab_spool_bytes"]) > 0
    for before, after in itertools.pairwise(clips):
        assert abs(after["capture_start_ms"] - before["capture_end_ms"]) <= 2, "recording paused"
    s3, bucket = lab.switch.client("s3"), lab.switch.bucket
    stored = [s3.get_object(Bucket=bucket, Key=clip["key"])["Body"].read() for clip in clips]
    film = FILM.read_bytes()
    cuts = cut_at_key_frames(film, 15)[:count]
    assert b"".join(stored) == film[cuts[0].start : cuts[-1].end]


def test_pictures_come_from_a_clip_with_the_lab_s_own_eyes(lab: Lab, tmp_path: Path):
    collect = ("--name", "Somebody", "--from-clip", FILM, "--data", tmp_path, "--count", 2)
    with program(lab, "device.pictures", *collect, "--session", "one") as pictures:
        assert pictures.end(ANSWER_S) == 0
    assert pictures.of("no_face_check") == []
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png"))
    assert names == [
        f"somebody/one/{kind}/000{n}.png" for kind in ("crops", "originals") for n in (1, 2)
    ]
