"""Do the tests notice faults? Makes small changes to the code, one at a time, and runs its tests.

Results are kept in build/mutation: a run that was interrupted goes on, and what did not change
is not run again. The result is 1 where tests notice less than 85 % of a folder's changes; with
--changed, whose few files those with a reason may be half of, of those without a reason.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import groupby

from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, print_lines
from scripts.develop.mutation.changed import changed_files
from scripts.develop.mutation.measuring import Measurement, tried_in_rounds
from scripts.develop.mutation.places import FLOOR, Place, chosen
from scripts.develop.mutation.reasons import read_reasons, reason_of, stale
from scripts.develop.mutation.report import MutationReport
from scripts.paths import ROOT

OUT = ROOT / "out" / "mutate.json"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    progress = Progress()
    places = list(chosen(options.places))
    if options.changed is not None:
        changed = changed_files(options.changed)
        if changed is None:
            progress(f"there is no commit {options.changed!r} here to compare with: nothing to do")
            return 0
        places = [one for one in places if one[1] in changed]
    deadline = time.monotonic() + options.seconds if options.seconds else float("inf")
    report = MutationReport()
    for place, files_of in groupby(places, key=lambda one: one[0]):
        files = [file for _, file in files_of]
        near = place.near(files) if options.changed is not None else None
        measure([*filter(None, [near]), place], files, options.jobs, deadline, report, progress)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    if options.json:
        print_json(report.as_json())
    else:
        print_lines(report.as_text() if places else "none of the files that are measured changed")
    for fault in report.faults:
        progress(f"reasons.yaml: {fault}")
    is_of_changed_files = options.changed is not None
    too_low = report.too_low(is_of_changed_files=is_of_changed_files)
    for name in too_low:
        what = "what was changed and has no reason" if is_of_changed_files else "what was changed"
        progress(f"{name}: tests notice less than {FLOOR:.0f} % of {what}")
    return 1 if report.faults or too_low else 0


def measure(
    rounds: list[Place],
    files: list[str],
    jobs: int,
    deadline: float,
    report: MutationReport,
    progress: Progress,
) -> None:
    """Add what becomes of all changes of `files` to the report. `rounds` are one place with some
    tests, and with all: what some notice is not tried by the others."""
    reasons = read_reasons()
    folder = rounds[-1].folder
    measurements = [Measurement(place, jobs, deadline) for place in rounds if place.tests]
    changes = [change for file in files for change in measurements[-1].changes(file)]
    progress(f"{folder}: {len(changes)} changes of {len(files)} files")
    tried = []
    for one in progress.each(tried_in_rounds(measurements, changes), folder, len(changes)):
        tried.append(one)
        report.add(folder, one, reason_of(one.change, reasons))
    report.faults += stale(reasons, changes, tried)


def _parser() -> argparse.ArgumentParser:
    parser = task_parser("mutate", __doc__)
    parser.add_argument(
        "places", nargs="*", metavar="PLACE", help="a folder or file; default: all that is measured"
    )
    parser.add_argument(
        "--changed", metavar="BASE", nargs="?", const="origin/main",
        help="only files that changed since the last commit shared with BASE (origin/main)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, help="end after so long; what was not tried by then is not run"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="changes at once (all processors)"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
