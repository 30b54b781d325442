"""The documents' command blocks, run as they stand, and what a class writes between them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.paths import ROOT
from tests.conftest import Lab, free_port
from tests.documents import documents, run_of

pytestmark = pytest.mark.timeout(900)  # a minute each; five on a machine that does other work
GUIDE = ROOT / "docs" / "class-guide.md"
OTHERS = [one for one in documents() if one != GUIDE and run_of(one)]
FINGERPRINT = ROOT / "out" / "fingerprint"
SOLUTION = """
import hashlib
import json
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        said = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        s3.put_object(
            Bucket=bucket, Key=f"out/{key.removeprefix('in/')}.json", Body=json.dumps(said)
        )
"""
OLD_CAMERA = """
import boto3
from picamera import PiCamera

with PiCamera() as camera:
    camera.capture("picture.jpg")
print([one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]])
"""


OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
GIVEN_TO_MAKE = re.compile(r"(?:^|\s)([A-Za-z_]+)=")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab as somebody has it who begins to read: not up, nobody enrolled."""
    folder = tmp_path_factory.mktemp("reader")
    lab = Lab(folder / "state", free_port(), {"FACELAB_SPOOL": str(folder / "spool")})
    yield lab
    lab.down()


def sh(lab: Lab, text: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    # As in a terminal: `make test ARGS=…` tells the makes below it to say where they are, and has
    # them take its own variables for theirs.
    own = {*OF_MAKE, *GIVEN_TO_MAKE.findall(lab.env.get("MAKEFLAGS", ""))}
    env = {name: value for name, value in lab.env.items() if name not in own}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


@contextmanager
def second_terminal(lab: Lab) -> Iterator[None]:
    """`python -m device.messages`, waiting for results."""
    command = [sys.executable, "-m", "device.messages", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=lab.env, stdout=subprocess.PIPE, text=True
    ) as viewer:
        assert viewer.stdout is not None
        assert json.loads(viewer.stdout.readline())["event"] == "start"
        reading = threading.Thread(target=viewer.stdout.read)
        reading.start()
        try:
            yield
        finally:
            viewer.terminate()
            reading.join()


def test_the_class_guides_commands_solve_the_first_exercise_and_pose_the_fourth(reader: Lab):
    """With nobody enrolled the check fails; after the guide's own commands it passes."""
    sh(reader, "make up")
    before = sh(reader, "make check EXERCISE=1 ARGS=--json", check=False)
    assert before.returncode != 0
    assert json.loads(before.stdout)["solved"] is False
    with second_terminal(reader):  # the camera then ends when all its clips are answered
        done = sh(reader, run_of(GUIDE))
    assert "Grace Hopper, clips: " in done.stdout
    assert "solved" in done.stdout.splitlines()
    check = "make check EXERCISE=4 ARGS=--json"
    told = json.loads(sh(reader, f"{check} || true").stdout)
    met = [one["met"] for one in told["conditions"]]
    assert met == [True, True, False, False]  # what the guide gives answers nothing
    (FINGERPRINT / "handler.py").write_text(SOLUTION)
    sh(reader, f"make deploy-function NAME=fingerprint DIR={FINGERPRINT}")
    assert json.loads(sh(reader, check).stdout)["solved"] is True


@pytest.mark.parametrize("document", OTHERS, ids=lambda one: one.name)
def test_the_commands_of_a_document_run_as_they_stand(document: Path, reader: Lab):
    sh(reader, run_of(document))


def test_an_old_camera_program_runs_with_the_lab_as_its_cloud(reader: Lab, tmp_path: Path):
    program = tmp_path / "camera.py"
    program.write_text(OLD_CAMERA)
    done = sh(reader, f"make up && make script FILE={program}")
    assert reader.switch.bucket in done.stdout
