"""Is an exercise of docs/class-guide.md solved? Looks at the running lab, its traces and files.

Without a number: the list of exercises. It ends with 0 only when every condition is met.
"""

from __future__ import annotations

from cloud.switch import read_switch
from device.settings import spool_folder
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, print_lines, run_command
from scripts.exercises.checking import CheckedExercise, check
from scripts.exercises.exercise import exercise, exercises
from scripts.exercises.lab_view import LabView
from scripts.paths import ROOT


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("check", __doc__)
    parser.add_argument("exercise", nargs="?", type=int, metavar="N", help="its number")
    options = parser.parse_args(arguments)
    if options.exercise is None:
        rows = [{"exercise": one.number, "title": one.title} for one in exercises()]
        if options.json:
            print_json(rows)
        else:
            print_lines("\n".join(f"{row['exercise']}  {row['title']}" for row in rows))
        return 0
    wanted = exercise(options.exercise)
    lab = LabView(read_switch(), spool_folder(), ROOT / "out")
    with Progress(quiet=options.json).usual("looking", f"check {wanted.number}"):
        outcome = check(wanted, lab)
    if options.json:
        print_json(outcome.to_fields())
    else:
        print_lines(told(outcome))
    return 0 if outcome.is_solved else 1


def told(outcome: CheckedExercise) -> str:
    """For people: each condition, what was found, and what to do about the first unmet."""
    lines = [f"Exercise {outcome.exercise.number}: {outcome.exercise.title}", ""]
    is_first = True
    for one in outcome.checked:
        lines.append(f"  {'done   ' if one.is_met else 'missing'}  {one.condition.says}")
        lines.append(f"           {one.found}")
        if not one.is_met and is_first:
            lines.append(f"           hint: {one.condition.hint}")
            is_first = False
    met = sum(one.is_met for one in outcome.checked)
    end = "solved" if outcome.is_solved else f"{met} of {len(outcome.checked)} conditions are met"
    return "\n".join([*lines, "", end])


if __name__ == "__main__":
    run_command(main)
