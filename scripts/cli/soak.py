"""`facelab soak`: several devices at once; ends with 1 where something was lost or grew."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from scripts.cli.bench_ending import at_least_one
from scripts.cli.parsing import task_parser, tell
from scripts.console import Progress, run_command
from scripts.e2e import soak
from scripts.e2e.film import FIXTURE
from scripts.e2e.soak_report import SoakPlan, summary
from scripts.paths import ROOT


def main(arguments: list[str] | None = None) -> int:
    options = _parsed(arguments)
    clips_each = math.ceil(
        options.clips / options.devices if options.clips else options.seconds * options.rate
    )
    plan = SoakPlan(options.devices, clips_each, options.rate)
    facts = soak.soak(plan, options.film, options.out, Progress())
    tell(facts, summary, as_json=options.json)
    for fault in facts["faults"]:
        print(f"facelab: {fault}", file=sys.stderr)
    if facts["faults"]:
        print(
            "  hint: `make status` shows what waits, `make logs` what the function said",
            file=sys.stderr,
        )
    return 0 if facts["ok"] else 1


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = task_parser("soak", soak.__doc__)
    parser.add_argument(
        "--devices",
        type=at_least_one,
        default=4,
        metavar="N",
        help="how many record at once (default: %(default)s)",
    )
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--clips", type=int, metavar="N", help="of all devices together")
    how_long.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="instead of a number of clips (default: %(default)g)",
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=float(soak.CLIPS_A_SECOND),
        metavar="R",
        help="clips a second of each device (default: %(default)g, a camera's)",
    )
    parser.add_argument(
        "--film", type=Path, default=FIXTURE, metavar="FILE", help="what they record (.h264)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "out" / "soak.json",
        metavar="FILE",
        help="default: out/soak.json",
    )
    options = parser.parse_args(arguments)
    if not options.film.is_file():
        parser.error(f"there is no film {options.film}")
    if options.rate <= 0:
        parser.error("a rate above 0")
    if (options.clips or options.seconds * options.rate) < 1:
        parser.error("at least one clip")
    return options


if __name__ == "__main__":
    run_command(main)
