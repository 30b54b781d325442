"""A camera records at its pace while the emulator is killed again and again.

The same in a container: test_docker_faults.py.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.lab.state import LabState
from scripts.paths import ROOT
from tests.conftest import Lab, free_port, wait_until
from tests.fakes.programs import Program
from tests.faults.report import Row

KILLS = int(os.environ.get("FACELAB_TEST_KILLS", "10"))
DRAIN_S = 1200  # a busy machine uploads slowly what waited for the emulator
MOST_CLIPS = 100_000  # recorded until the last kill is over
Kill = Callable[[Lab], None]


def kill_process(lab: Lab) -> None:
    emulator = LabState(lab.state).emulator()
    process = emulator.process() if emulator else None
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def process_lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "state", free_port())
    lab.up()
    yield lab
    lab.down()


def play_and_kill(lab: Lab, spool: Path, kill: Kill, row: Row) -> None:
    """Every clip is answered once; people and devices are there after it all."""
    chance = random.Random(20261125)  # noqa: S311  no secret
    switch = lab.switch
    lab.run("scripts.cli.devices", "add", "pi-02")
    switch.client("dynamodb").put_item(
        TableName=switch.names.people_table,
        Item={"person_id": {"S": "ada"}, "name": {"S": "Ada Lovelace"}},
    )
    device = ("--device", "lab", "--spool", spool)
    film = ROOT / "fixtures" / "lab.h264"
    source = ("--source", film, "--loop", "--drain-timeout", DRAIN_S)
    with Program("device.messages", *device, environment=lab.env) as messages:
        with Program(
            "device.camera", *device, *source, "--count", MOST_CLIPS, environment=lab.env
        ) as camera:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.5, 8))  # the random moment itself
                kill(lab)
                lab.up(timeout=600)
            camera.interrupt()
            camera.end()
        # On Ctrl-C the camera does not wait for its uploads; the next one sends the rest.
        with Program("device.camera", *device, *source, "--count", 1, environment=lab.env) as last:
            last.end(DRAIN_S)
        recorded = {clip["clip_id"] for clip in [*camera.of("clip"), *last.of("clip")]}

        def answered() -> set[str]:
            return {result["clip_id"] for result in messages.of("result")}

        wait_until(lambda: recorded <= answered(), DRAIN_S, "an answer to every clip")
        # What an earlier test left in the queue is not ours to judge.
        shown = [one["clip_id"] for one in messages.of("result") if one["clip_id"] in recorded]
    row.count(sorted(recorded), shown)
    assert row.answered == row.sent
    row.assert_kept()
    people = switch.client("dynamodb").scan(TableName=switch.names.people_table)["Items"]
    assert "ada" in {row["person_id"]["S"] for row in people}
    assert "pi-02" in lab.run("scripts.cli.devices", "list").stdout


@pytest.mark.timeout(3600)
def test_every_clip_is_answered_once_whenever_the_emulator_is_killed(
    process_lab: Lab, tmp_path: Path, row: Row
) -> None:
    play_and_kill(process_lab, tmp_path / "spool", kill_process, row)
