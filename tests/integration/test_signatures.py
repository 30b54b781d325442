"""A lab that takes what its own key pair signed, and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from cloud.switch import read_switch
from tests.conftest import Lab, free_port
from tests.fakes.programs import Program


def test_whole_loop_with_the_lab_s_own_keys(tmp_path: Path):
    keys = tmp_path / "keys.json"
    lab = Lab(tmp_path / "state", free_port(), {"FACELAB_KEYS": str(keys)})
    try:
        lab.up()
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        environment = {key: value for key, value in lab.env.items() if key != "PYTHONPATH"}
        spool = ("--device", "lab", "--spool", tmp_path / "spool")
        with (
            Program("device.messages", *spool, environment=environment) as viewer,
            Program("device.camera", *spool, "--count", 1, environment=environment),
        ):
            viewer.wait_for("result", seconds=180)
        dummies = read_switch({"FACELAB_PORT": str(lab.port)})
        for service, call in (
            ("sqs", lambda client: client.list_queues()),
            ("s3", lambda client: client.list_buckets()),
            ("sts", lambda client: client.get_caller_identity()),
        ):
            with pytest.raises(ClientError, match="its own lab's keys only"):
                call(dummies.client(service))
    finally:
        lab.down()
