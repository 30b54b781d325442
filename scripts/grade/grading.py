"""Grade one student: empty the account, deploy, play, look, score."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cloud.switch import Switch
from scripts.console import Progress
from scripts.functions.images import FolderPublisher
from scripts.grade import observing, sheet
from scripts.grade.account import empty_account
from scripts.grade.course import Course, read_course
from scripts.grade.deploying import deploy_course, the_class
from scripts.grade.material import FIXTURES, FixtureClips, Piece, pieces
from scripts.grade.playing import play
from scripts.grade.rubric import score
from scripts.grade.seen import Seen
from scripts.grade.students import Student
from scripts.lab.surroundings import variables
from scripts.paths import ROOT
from scripts.report.thumbnails import thumbnail

CAMERA_STARTS_WITHIN_S = 30.0
STAND_INS = ROOT / "device" / "stand_ins"


@dataclass(frozen=True)
class Changed:
    """What of a course's workload is changed for this time; None leaves it."""

    count: int | None = None
    rate_per_s: float | None = None
    seed: int | None = None


def course_of(name: str, student: Student, changed: Changed) -> Course:
    course = read_course(name, student.id)
    given = {key: value for key, value in vars(changed).items() if value is not None}
    return replace(course, workload=replace(course.workload, **given))


def prepare(
    switch: Switch, course: Course, student: Student, publisher: FolderPublisher, progress: Progress
) -> dict[str, str]:
    """An account with this student's solution and nothing else; what could not be deployed."""
    with progress.usual("deploying the solution", f"grade deploy {course.name}"):
        empty_account(switch, progress)
        return deploy_course(switch, course, student, publisher, progress)


def grade(
    lab: Switch, course: Course, student: Student, publisher: FolderPublisher, progress: Progress
) -> dict[str, Any]:
    """The student's sheet as programs read it; JSON and page are written, too."""
    switch = lab.of_account(student.account)
    troubles = prepare(switch, course, student, publisher, progress)
    played = pieces(course.workload)
    scored = _scored(switch, course, student, troubles, played, progress)
    made = sheet.as_json(course, student, *scored)
    picture = cache(thumbnail)  # many pieces are one clip
    sheet.write(made, course.title, {one.name: picture(one.body) for one in played})
    return made


def _scored(
    switch: Switch,
    course: Course,
    student: Student,
    troubles: Mapping[str, str],
    played: Sequence[Piece],
    progress: Progress,
) -> tuple[Any, Seen]:
    since = datetime.now(UTC)
    functions = observing.functions_seen(switch, course, troubles)
    at_first = observing.at_first(switch, course)
    workload = course.workload
    clips, camera_trouble = (0, "")
    if workload.camera_program:
        clips, camera_trouble = _camera(switch, course, student, progress)
    outcomes, took_s = play(switch, workload, the_class(), played, progress)
    seen = Seen(
        outcomes=outcomes,
        functions=observing.with_metrics(switch, functions, since),
        at_first=at_first,
        took_s=took_s,
        limit=observing.limit(switch),
        camera_clips=clips,
        camera_trouble=camera_trouble,
        account=student.account,
    )
    return score(course, seen), seen


def _camera(
    switch: Switch, course: Course, student: Student, progress: Progress
) -> tuple[int, str]:
    """How many of the film's clips the student's camera program brought to the bucket."""
    workload = course.workload
    program = (student.folder or course.solution) / workload.camera_program
    if not program.is_file():
        return 0, f"there is no {workload.camera_program} in the folder"
    progress(f"{workload.camera_program} records for {workload.camera_s:.0f} s")
    trouble = _record(switch, student, program, workload.camera_s)
    recordings = _recordings(switch, workload.input)
    _settle(switch, workload.queue, len(recordings), workload.patience_s)
    film = FixtureClips(FIXTURES / "lab.h264", FIXTURES / "truth.json")
    return len(set[int]().union(*map(film.clips_in, recordings))), trouble


def _record(switch: Switch, student: Student, program: Path, seconds: float) -> str:
    """Run the camera program for a while, with a film for its camera; what it died of."""
    environment = {**os.environ, **variables(switch, os.environ), "STUDENT_ID": student.id}
    environment["PYTHONPATH"] = str(STAND_INS)
    with subprocess.Popen(
        [sys.executable, program.name],
        cwd=program.parent.resolve(),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=seconds + CAMERA_STARTS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.terminate()  # most of them record without end
            process.communicate()
            return ""
    if process.returncode:
        return f"{program.name} ended with: {(said.strip().splitlines() or ['no word'])[-1]}"
    return ""


def _recordings(switch: Switch, bucket: str) -> list[bytes]:
    s3 = switch.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [row["Key"] for page in pages for row in page.get("Contents", ())]
    return [bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def _settle(switch: Switch, queue: str, many: int, patience_s: float) -> None:
    """Take away what the camera's clips were answered with: all, or until nothing more comes."""
    sqs = switch.client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        return
    heard, taken = time.monotonic(), 0
    while taken < many and time.monotonic() - heard < patience_s:
        got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        for message in got.get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            heard, taken = time.monotonic(), taken + 1
