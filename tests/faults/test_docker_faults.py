"""The faults that are others with containers: one lab on Docker, broken in all ways.

Its emulator is killed last: what was there before has to be there after it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.docker.engine import engine_answers
from tests.conftest import Lab, free_port
from tests.fakes.programs import Program
from tests.faults.loop import ANSWER_S, loop
from tests.faults.proxy import ANSWER_LOST, LOST, TRUNCATED, Call, Fault, wrong
from tests.faults.report import Row
from tests.faults.test_function_faults import CLIPS, again_and_again, play
from tests.faults.test_killed_emulator import play_and_kill

PREFIX = "killed-lab"
FUNCTION_LABEL = f"localstack-image-functions.function={PREFIX}-recognize"
# In turn, for each call of the device.
FAULTS = (LOST, ANSWER_LOST, TRUNCATED, wrong(503, "html"), wrong(200, "html"), None, None)


@pytest.fixture(scope="module")
def container_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.environ.get("FACELAB_SKIP_DOCKER_TESTS"):
        pytest.skip("FACELAB_SKIP_DOCKER_TESTS is set")
    if not engine_answers():
        pytest.skip("no Docker engine with Compose answers (make docker-engine)")
    settings = {
        "FACELAB_BACKEND": "docker",
        "FACELAB_PREFIX": PREFIX,
        "FACELAB_REGISTRY_PORT": str(free_port()),
    }
    lab = Lab(tmp_path_factory.mktemp("docker") / "state", free_port(), settings)
    lab.up(timeout=1800)  # the first time there are images to build
    yield lab
    lab.run("scripts.cli.lab", "down", "--forget")


def docker(*command: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *command], check=check, capture_output=True, text=True)
    return done.stdout


@pytest.mark.timeout(2400)
def test_docker_calls_lost_late_cut_and_answered_by_others(
    container_lab: Lab, tmp_path: Path, row: Row
) -> None:
    calls: dict[str, int] = {}

    def choose(call: Call) -> Fault | None:
        calls[str(call)] = calls.get(str(call), -1) + 1
        return FAULTS[calls[str(call)] % len(FAULTS)]

    with loop(container_lab, tmp_path) as made:
        made.proxy.choose = choose
        with made.viewer(), made.camera(2 * CLIPS, "--loop") as camera:
            assert camera.end(ANSWER_S) == 0, camera.errors
            made.wait_until_all_are_answered()
            made.fill(row)
    spoiled = {name.partition(" ")[0] for name in made.proxy.spoiled}
    assert {"s3.PutObject", "sqs.ReceiveMessage", "sqs.DeleteMessageBatch"} <= spoiled
    row.assert_kept()


@pytest.mark.timeout(600)
def test_docker_function_s_container_killed_again_and_again(
    container_lab: Lab, tmp_path: Path, row: Row
) -> None:
    killed = []

    def kill() -> None:
        for name in docker("ps", "--quiet", "--filter", f"label={FUNCTION_LABEL}").split():
            docker("kill", name, check=False)  # it may have ended by itself
            killed.append(name)

    def during(camera: Program) -> None:
        camera.wait_for("uploaded")
        with again_and_again(kill, 0.4):
            camera.wait_for("uploaded", CLIPS)

    with loop(container_lab, tmp_path) as made:
        play(made, row, during)
    assert killed


@pytest.mark.timeout(3600)
def test_docker_every_clip_is_answered_once_whenever_the_container_is_killed(
    container_lab: Lab, tmp_path: Path, row: Row
) -> None:
    def kill(lab: Lab) -> None:
        docker("kill", f"{PREFIX}-localstack-1")

    play_and_kill(container_lab, tmp_path / "spool", kill, row)
