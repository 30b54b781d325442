"""`facelab throughput`: how much the lab answers in time."""

from __future__ import annotations

from scripts.cli.bench_ending import at_least_one, bench_parser
from scripts.cli.parsing import tell
from scripts.console import Progress
from scripts.e2e import throughput


def main(arguments: list[str] | None = None) -> int:
    parser = bench_parser("throughput", throughput.__doc__, "throughput.json")
    parser.add_argument(
        "--devices",
        type=lambda text: tuple(at_least_one(one) for one in text.split(",")),
        default=throughput.DEVICES,
        metavar="N,N,…",
        help="default 1,2,4,8",
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="of each trial (%(default)g)"
    )
    parser.add_argument(
        "--trials",
        type=at_least_one,
        default=6,
        metavar="N",
        help="at most, for each (%(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=throughput.FIRST_RATE,
        metavar="R",
        help="clips a second to begin with (%(default)g)",
    )
    options = parser.parse_args(arguments)
    if options.seconds <= 0 or options.rate <= 0:
        parser.error("seconds and rate are above 0")
    progress = Progress(quiet=options.json)
    facts = throughput.measure(
        options.devices, options.rate, options.trials, options.seconds, progress
    )
    throughput.keep(facts, options.out, progress)
    tell(facts, throughput.in_words, as_json=options.json)
    return 0
