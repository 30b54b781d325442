"""Courses graded on a real emulator: the course's own solution, and folders that do not work."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from scripts.paths import ROOT
from tests.conftest import Lab

FACELAB = "scripts.cli.facelab"
COUNT = 9


def grade(lab: Lab, course: str, student: str, *options: str) -> dict:
    began = time.perf_counter()
    done = lab.run(
        *(FACELAB, "grade", course, "--student", student, "--json", "--count", str(COUNT)),
        *("--rate", "2", *options),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(f"{course}, {student}: {time.perf_counter() - began:.1f} s")
    return json.loads(done.stdout)


def lines(made: dict) -> dict[str, dict]:
    return {one["name"]: one for one in made["rubric"]}


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A folder with the two functions of 2025, which the test fills."""
    for name in ("face-detection", "face-recognition"):
        (tmp_path / name).mkdir()
    return tmp_path


def write(folder: Path, code: str) -> None:
    (folder / "handler.py").write_text(code)


def test_the_courses_own_solution_has_full_score_and_the_files_say_so(lab):
    made = grade(lab, "2025-p1", "1229679960")
    assert made["score"] == made["out_of"] == 100, made["rubric"]
    assert made["account"] == "001229679960"
    assert 0 < made["latency_ms"]["p50"] <= made["latency_ms"]["p95"]
    assert made["concurrency"] >= 1
    assert made["cold_starts"] >= 2
    assert made["image"].count("@sha256:") == 2
    invocations = {name: one["invocations"] for name, one in made["functions"].items()}
    assert invocations["face-detection"] == COUNT + 1  # one goes first
    written = ROOT / "out" / "grade" / "2025-p1" / "1229679960.json"
    assert json.loads(written.read_text())["rubric"] == made["rubric"]
    assert "1229679960: 100 of 100" in written.with_suffix(".html").read_text()
    # Nothing of it is in the lab's own account.
    functions = lab.switch.client("lambda").list_functions()["Functions"]
    names = {one["FunctionName"] for one in functions}
    assert not names & {"face-detection", "face-recognition"}


def test_function_that_fails_and_one_that_says_nothing_earn_nothing_and_are_told_why(lab, student):
    write(student / "face-detection", "def handler(event, context):\n    return event['missing']\n")
    write(student / "face-recognition", "def handler(event, context):\n    print('Joe Biden')\n")
    made = grade(lab, "2025-p1", "broken", "--dir", str(student))
    assert made["score"] == 0
    found = lines(made)
    assert "the URL answered 502" in found["completeness"]["evidence"]
    assert "make logs FUNCTION=face-detection" in found["completeness"]["evidence"]
    assert found["both functions are there"]["points"] == 0  # they are there, and do nothing


def test_half_a_folder_is_graded_for_what_it_has(lab, student):
    """Names come, and all the same one: no points; the missing trigger is named."""
    code = """
import json
import os

import boto3

SQS = boto3.client("sqs")


def handler(event, context):
    url = SQS.get_queue_url(QueueName=f"{os.environ['STUDENT_ID']}-resp-queue")["QueueUrl"]
    request = json.loads(event["body"])
    answer = {"request_id": request["request_id"], "result": "Joe Biden"}
    SQS.send_message(QueueUrl=url, MessageBody=json.dumps(answer))
    return {"statusCode": 200}
"""
    write(student / "face-detection", code)
    made = grade(lab, "2025-p1", "one-name", "--dir", str(student))
    found = lines(made)
    assert made["score"] == 0
    assert "one and the same name" in found["correctness"]["evidence"]
    missing = found["both functions are there"]
    assert missing["points"] == -100
    assert "handler" in missing["evidence"]
