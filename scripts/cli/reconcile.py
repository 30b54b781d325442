"""Send clips again that ended in nothing, and once more those that ended in a letter."""

from __future__ import annotations

import argparse

from cloud.switch import read_switch
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, run_command
from scripts.lab.reconcile import reconcile


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("reconcile", __doc__)
    parser.add_argument(
        "--after",
        type=_minutes,
        metavar="MINUTES",
        help="how long after it was stored a clip must have an outcome (lab: 2, AWS: 20)",
    )
    options = parser.parse_args(arguments)
    with Progress(quiet=options.json).usual("looking at clips and letters", "reconcile"):
        done = reconcile(read_switch(), options.after)
    if options.json:
        print_json(done)
    else:
        print(
            f"{done['clips']} clips, {done['sent']} sent again; "
            f"{done['letters']} letters, {done['letters_taken_back']} more taken back"
            + (f"; {done['too_old']} older than the ledger" if done["too_old"] else "")
            + (f"; {done['failed']} could not be sent" if done["failed"] else "")
            + ("" if done["is_complete"] else "; not all could be looked at, run it again")
        )
    return 1 if done["failed"] else 0


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes")
    return value


if __name__ == "__main__":
    run_command(main)
