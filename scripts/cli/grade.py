"""Grade solutions of a course: deploy them, play the workload, score what the cloud shows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cloud.switch import Switch, read_switch
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, print_lines, run_command
from scripts.errors import LabError
from scripts.functions.backends import publisher_here, running
from scripts.grade import sheet
from scripts.grade.course import course_names
from scripts.grade.grading import Changed, course_of, grade, prepare
from scripts.grade.official import run_official
from scripts.grade.students import Student, read_students


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    at = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:at])
    options.rest = given[at + 1 :]
    switch, progress = read_switch(), Progress()
    if switch.is_aws:
        raise LabError(
            "grading empties an account, and this is AWS", "FACELAB_BACKEND=embedded or docker"
        )
    running(switch, progress)
    if options.official and not options.course:
        known = read_students(options.student, "", None) if options.student else [None]
        return _official(switch, known[0], options, progress)
    if not options.course:
        raise LabError("no course is named", f"COURSE= takes one of {', '.join(course_names())}")
    students = read_students(options.student, options.students, options.dir)
    done = [_one(switch, student, options, progress) for student in students]
    if options.official:
        return max(code for code, _ in done)
    made = [one for _, one in done if one]
    if options.json:
        print_json(made if len(made) > 1 else made[0])
    elif len(made) > 1:
        print_lines("")
        for one in made:
            print_lines(f"{one['student']:20} {one['score']:6g} of {one['out_of']:g}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = task_parser("grade", f"{__doc__}\nWhat follows -- goes to the official grader.\n")
    parser.add_argument(
        "course", nargs="?", default="", metavar="COURSE", help=", ".join(course_names())
    )
    parser.add_argument("--student", default="", metavar="ID[,ID…]", help="who is graded")
    parser.add_argument("--students", default="", metavar="FILE", help="a class list, one a line")
    parser.add_argument("--dir", type=Path, help="their folder; without: the course's solution")
    parser.add_argument("--count", type=int, help="pieces of the workload")
    parser.add_argument("--rate", type=float, metavar="PER_S", help="pieces a second")
    parser.add_argument("--seed", type=int, help="another order")
    parser.add_argument("--official", type=Path, metavar="FILE.py", help="run this grader instead")
    parser.add_argument(
        "--with", dest="packages", action="append", default=[], help="a package that it imports"
    )
    return parser


def _one(
    lab: Switch, student: Student, options: argparse.Namespace, progress: Progress
) -> tuple[int, dict | None]:
    course = course_of(options.course, student, Changed(options.count, options.rate, options.seed))
    publisher = publisher_here(lab, progress)
    progress(f"{course.name}: {student.id}, account {student.account}")
    if options.official:
        prepare(lab.of_account(student.account), course, student, publisher, progress)
        return _official(lab, student, options, progress), None
    made = grade(lab, course, student, publisher, progress)
    if not options.json:
        print_lines(sheet.text(made))
    path = sheet.OUT / course.name / f"{student.id}.html"
    progress(f"the sheet as a page: {path}")
    return 0, made


def _official(
    lab: Switch, student: Student | None, options: argparse.Namespace, progress: Progress
) -> int:
    switch = lab.of_account(student.account) if student else lab
    return run_official(switch, options.official, options.rest, options.packages, progress)


if __name__ == "__main__":
    run_command(main)
