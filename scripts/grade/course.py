"""A course as its folder describes it: what is deployed, what is played, what earns points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts.errors import LabError
from scripts.paths import ROOT

COURSES = ROOT / "courses"
PLAYS = frozenset({"requests", "videos", "clips"})
MATERIALS = frozenset({"pictures", "videos", "long_videos", "clips"})
CHECKS = frozenset(
    {"functions", "trigger", "empty", "answered", "correct", "pictures", "latency", "end_to_end"}
    | {"duration", "concurrency", "camera"}
)


class UnknownCourse(LabError):
    """No course of that name."""


class CourseBroken(LabError):
    """A course.yaml that does not say what it must."""


@dataclass(frozen=True)
class FunctionStep:
    """A function of the course. `folder` lies in the student's folder."""

    name: str
    folder: str
    trigger: str | None
    memory_mb: int
    timeout_s: int
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectPlace:
    """Where objects of one video appear: `key` is a pattern with the video's name in it."""

    bucket: str
    key: str
    count: int = 1


@dataclass(frozen=True)
class Workload:
    """What is played: `count` pieces of `material`, in the order of `seed`.

    `answers` is a queue or a place in a bucket, `pictures` where a video's pictures appear;
    `camera` names the student's program that records, and for how long.
    """

    play: str
    material: str
    count: int
    seed: int
    patience_s: float
    rate_per_s: float = 1.0
    url_of: str = ""
    input: str = ""
    queue: str = ""
    pictures: ObjectPlace | None = None
    answers: ObjectPlace | None = None
    camera_program: str = ""
    camera_s: float = 0.0


@dataclass(frozen=True)
class Criterion:
    """A line of the rubric: what works earns `points`, what is missing costs `deduct`."""

    name: str
    check: str
    points: float = 0.0
    deduct: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Course:
    """A course for one student: `{student}` in its names is filled in."""

    name: str
    title: str
    solution: Path
    functions: tuple[FunctionStep, ...]
    buckets: tuple[str, ...]
    queues: tuple[str, ...]
    tables: tuple[str, ...]
    workload: Workload
    rubric: tuple[Criterion, ...]

    @property
    def out_of(self) -> float:
        return sum(one.points for one in self.rubric)


def course_names(folder: Path = COURSES) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/course.yaml"))


def read_course(name: str, student: str, folder: Path = COURSES) -> Course:
    """The course of that name, for one student.

    Raises
    ------
    UnknownCourse, CourseBroken
    """
    names = course_names(folder)
    if name not in names:
        raise UnknownCourse(f"there is no course {name!r}", f"there are {', '.join(names)}")
    path = folder / name / "course.yaml"
    try:
        said = _filled_in(yaml.safe_load(path.read_text(encoding="utf-8")), student)
        course = Course(
            name=name,
            title=str(said["title"]),
            solution=path.parent / "solution",
            functions=tuple(_function(one) for one in said["functions"]),
            buckets=tuple(said.get("buckets", ())),
            queues=tuple(said.get("queues", ())),
            tables=tuple(said.get("tables", ())),
            workload=_workload(dict(said["workload"])),
            rubric=tuple(_criterion(dict(one)) for one in said["rubric"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise CourseBroken(
            f"{path}: {error!r}", "docs/courses.md says what stands there"
        ) from error
    _check(course, path)
    return course


def _filled_in(said: Any, student: str) -> Any:
    if isinstance(said, str):
        return said.replace("{student}", student)
    if isinstance(said, list):
        return [_filled_in(one, student) for one in said]
    if isinstance(said, dict):
        return {key: _filled_in(value, student) for key, value in said.items()}
    return said


def _function(said: Mapping[str, Any]) -> FunctionStep:
    return FunctionStep(
        name=said["name"],
        folder=said.get("folder", said["name"]),
        trigger=said.get("trigger"),
        memory_mb=int(said["memory_mb"]),
        timeout_s=int(said["timeout_s"]),
        allow=tuple(said.get("allow", ())),
    )


def _workload(said: dict[str, Any]) -> Workload:
    camera = said.pop("camera", None) or {}
    answers, pictures = said.pop("answers", None), said.pop("pictures", None)
    if answers is None and pictures is None:
        raise ValueError("neither answers nor pictures")
    return Workload(
        queue=answers if isinstance(answers, str) else "",
        answers=ObjectPlace(**answers) if isinstance(answers, dict) else None,
        pictures=ObjectPlace(**pictures) if pictures else None,
        camera_program=camera.get("program", ""),
        camera_s=float(camera.get("seconds", 0)),
        **said,
    )


def _criterion(said: dict[str, Any]) -> Criterion:
    return Criterion(
        name=said.pop("name"),
        check=said.pop("check"),
        points=float(said.pop("points", 0)),
        deduct=float(said.pop("deduct", 0)),
        options=said,
    )


def _check(course: Course, path: Path) -> None:
    for one in course.rubric:
        if one.check not in CHECKS:
            raise CourseBroken(f"{path}: no check {one.check!r}", f"there are {sorted(CHECKS)}")
    if course.workload.play not in PLAYS or course.workload.material not in MATERIALS:
        raise CourseBroken(
            f"{path}: play {course.workload.play!r}, material {course.workload.material!r}",
            f"play: {sorted(PLAYS)}; material: {sorted(MATERIALS)}",
        )
