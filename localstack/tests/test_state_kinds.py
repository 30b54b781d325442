"""Every kind of thing that AWS keeps for a lab is there after `kill -9`, and goes on working."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localstack.tests.kinds import compute, data, services, state_fixture  # noqa: F401  each registers its own
from localstack.tests.kinds.world import KINDS, World

ROOT = Path(__file__).resolve().parents[2]


def warnings_of(world: World) -> list[str]:
    url = f"http://127.0.0.1:{world.emulator.port}/_aws/image-functions/state"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return list(json.load(answer)["warnings"])


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    localstack_cache: Path,
    make_emulator: Callable[..., Any],
    deploy_into: Callable[..., Any],
) -> Iterator[World]:
    """Everything made, the emulator killed and started again."""
    folder = tmp_path_factory.mktemp("kinds")
    lab = f"pytest-{os.getpid()}-kinds"
    emulator = make_emulator(folder / "emulator", lab, localstack_cache)
    emulator.extra |= {
        "IMAGE_FUNCTIONS_STATE": str(folder / "state"),
        "LAMBDA_RETRY_BASE_DELAY": "5",  # longer than it takes to be killed
    }
    emulator.start()
    try:
        world = World(emulator, deploy_into(emulator, folder, "kinds"), {})
        for make, _ in KINDS.values():
            make(world)
        time.sleep(1.5)  # what is kept within a second
        world.noted["warnings"] = warnings_of(world)
        emulator.kill()
        emulator.start()
        yield world
    finally:
        emulator.kill()
        subprocess.run(
            [sys.executable, "-m", "localstack_image_functions.process.sweep", "--lab", lab],
            check=True,
            env={"PYTHONPATH": str(ROOT / "localstack")},
        )


@pytest.mark.parametrize("name", KINDS)
def test_survives(world: World, name: str) -> None:
    _, check = KINDS[name]
    check(world)


def test_nothing_is_said_to_be_lost(world: World) -> None:
    assert world.noted["warnings"] == []
    assert warnings_of(world) == []


@pytest.mark.parametrize("number", state_fixture.FIXTURES)
def test_the_state_that_an_earlier_version_wrote_is_loaded(
    number: int, tmp_path: Path, own_emulator: Any, deploy_into: Callable[..., Any]
) -> None:
    """An upgrade finds everything: the file was written by the first version of this format."""
    state = tmp_path / "state"
    noted = state_fixture.unpack(state, state_fixture.FIXTURES[number])
    own_emulator.extra["IMAGE_FUNCTIONS_STATE"] = str(state)
    own_emulator.start()
    upgraded = World(own_emulator, deploy_into(own_emulator, tmp_path, "kinds"), noted)

    assert warnings_of(upgraded) == []
    (restored,) = [line for line in own_emulator.log.splitlines() if ": restored " in line]
    assert "3 s3-object" in restored
    assert "8 sqs-message" in restored  # their time is over, and they could be read
    assert "1 log-events" in restored
    for name in state_fixture.CHECKED:
        KINDS[name][1](upgraded)


def test_what_is_not_kept_is_said(world: World) -> None:
    world.client("apigateway").create_rest_api(name="a")
    (said,) = world.wait(lambda: warnings_of(world), "a warning")
    assert said.startswith("apigateway is not kept: ")
