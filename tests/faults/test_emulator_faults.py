"""The emulator keeps no state. Killed in the middle of a run, it forgets what it confirmed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from tests.conftest import Lab
from tests.fakes.programs import Program
from tests.faults.report import Row

COUNT = 30
ANSWER_S = 150.0


def test_kill_9_of_the_emulator_in_the_middle_of_a_run_loses_no_clip(
    own_lab: Lab, tmp_path: Path, row: Row
):
    own_lab.up()
    environment = {"FACELAB_BACKEND": "embedded", "FACELAB_PORT": str(own_lab.port)}
    spool = ("--device", "lab", "--spool", tmp_path / "spool")
    keep = ("--keep-until-answered", "--answer-timeout", 20, "--drain-timeout", ANSWER_S)
    with (
        Program("device.messages", *spool, environment=environment) as viewer,
        Program(
            "device.camera", *spool, *keep, "--count", COUNT, environment=environment
        ) as camera,
    ):
        camera.wait_for("uploaded", 5)
        os.kill(emulator(own_lab), signal.SIGKILL)
        camera.wait_for("link")
        own_lab.up()
        assert camera.end(ANSWER_S + 30) == 0
        shown = sorted(line["clip_id"] for line in viewer.wait_for("result", COUNT))
    row.count([line["clip_id"] for line in camera.of("clip")], shown)
    assert shown == sorted(line["clip_id"] for line in camera.of("clip"))
    (summary,) = camera.of("summary")
    assert summary["answered"] == COUNT
    assert summary["dropped"] == summary["refused"] == 0


def emulator(lab: Lab) -> int:
    (pid,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == lab.port
    }
    return pid
