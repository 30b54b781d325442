"""Bring a solution into its student's account, as far as it can be brought."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.results import Person
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions import deployment
from scripts.functions.images import FolderPublisher
from scripts.functions.triggers import make_bucket, parse_trigger
from scripts.grade.course import Course, FunctionStep
from scripts.grade.students import Student
from scripts.paths import ROOT
from scripts.provision.people import SHIPPED_GALLERY, read_roster

FIXTURES = ROOT / "fixtures"
HANDOUT = "people"
# Of a queue that graders read: theirs have a thread for each request, and take each other's
# answers, which stay hidden for as long.
ANSWERS_HIDDEN_S = 2


def the_class() -> list[Person]:
    return read_roster(FIXTURES / "roster.json")


def deploy_course(
    switch: Switch, course: Course, student: Student, publisher: FolderPublisher, progress: Progress
) -> dict[str, str]:
    """Deploy each function of the course from the student's folder, with all that belongs to it.

    What could not be deployed, by function, with why: the rest is graded all the same.
    """
    folder = student.folder or course.solution
    for bucket in course.buckets:
        make_bucket(switch, bucket, progress)
    troubles: dict[str, str] = {}
    # What reads a queue makes it, for as long as it may work on a message.
    reading = {(one.trigger or "").removeprefix("sqs:") for one in course.functions}
    for queue in course.queues:
        if queue not in reading:
            attributes = {"VisibilityTimeout": str(ANSWERS_HIDDEN_S)}
            if queue.endswith(".fifo"):
                attributes |= {"FifoQueue": "true"}
            switch.client("sqs").create_queue(QueueName=queue, Attributes=attributes)
            progress(f"made queue {queue}")
    for table in course.tables:
        _make_table(switch, table)
    for step in course.functions:
        try:
            _deploy(switch, step, student, folder, publisher, progress)
        except (LabError, ClientError) as error:
            hint = getattr(error, "hint", "")
            troubles[step.name] = f"{error}{f' ({hint})' if hint else ''}"
            progress(f"{step.name} was not deployed: {error}")
    return troubles


def _deploy(
    switch: Switch,
    step: FunctionStep,
    student: Student,
    folder: Path,
    publisher: FolderPublisher,
    progress: Progress,
) -> None:
    with tempfile.TemporaryDirectory(prefix="facelab-course-") as scratch:
        given = with_handout(folder / step.folder, Path(scratch) / step.name)
        wanted = deployment.Wanted(
            name=step.name,
            folder=given,
            triggers=(parse_trigger(step.trigger),) if step.trigger else (),
            memory_mb=step.memory_mb,
            timeout_s=step.timeout_s,
            environment={"STUDENT_ID": student.id},
            allowed=step.allow,
        )
        deployment.deploy(switch, wanted, publisher, progress)


def with_handout(source: Path, target: Path) -> Path:
    """A copy of a function's folder with what the course hands out: the class's faces.

    A folder of that name of their own goes first.

    Raises
    ------
    NothingToDeploy
    """
    if not source.is_dir():
        raise LabError(f"there is no folder {source.name}", f"put the function into {source}")
    shutil.copytree(source, target, symlinks=True)
    people = target / HANDOUT
    if not people.exists():
        shutil.copytree(FIXTURES / "people", people)
        shutil.copyfile(FIXTURES / "roster.json", people / "roster.json")
        shutil.copyfile(SHIPPED_GALLERY, people / "gallery.npz")
    return target


def _make_table(switch: Switch, table: str) -> None:
    """The students' table: everybody of the class, by name."""
    client = switch.client("dynamodb")
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    for one in _rows(the_class()):
        client.put_item(TableName=table, Item=one)


def _rows(people: Sequence[Person]) -> list[dict[str, dict[str, str]]]:
    return [
        {"name": {"S": one.name}, "major": {"S": one.major}, "year": {"S": one.year}}
        for one in people
    ]
