"""Benches of the whole loop, and of the device in it."""

from __future__ import annotations

from cloud.switch import read_switch
from scripts.cli.bench_ending import add_commit, add_count, bench_parser, measured
from scripts.cli.parsing import positive


def loop(arguments: list[str] | None = None) -> int:
    from scripts.bench import loop as bench
    from scripts.bench.loop_figures import table

    parser = bench_parser("bench-loop", bench.__doc__, "loop.json")
    add_count(parser, "--turns", 3, "default %(default)s")
    add_count(parser, "--clips", 20, "of ours in a turn (%(default)s)")
    add_count(parser, "--report-clips", 4, "of the report's in a turn (%(default)s)")
    options = parser.parse_args(arguments)
    asked = (options.turns, options.clips, options.report_clips)
    return measured(options, lambda say: bench.measure(read_switch(), *asked, say), table)


def against(arguments: list[str] | None = None) -> int:
    from scripts.bench import against_loop as bench

    parser = bench_parser("bench-against-loop", bench.__doc__, "against-loop.json")
    add_commit(parser)
    add_count(parser, "--turns", 2, "that count, of each")
    options = parser.parse_args(arguments)
    return measured(
        options, lambda say: bench.measure(options.commit, options.turns, say), bench.in_words
    )


def sustained(arguments: list[str] | None = None) -> int:
    from scripts.bench import against_loop as bench

    about = bench.measure_sustained.__doc__
    parser = bench_parser("bench-sustained", about, "against-sustained.json")
    add_commit(parser)
    parser.add_argument(
        "--rates", type=positive, nargs="+", default=[4, 5, 6, 7, 8, 10, 12, 14], metavar="N",
        help="clips a second (%(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    return measured(
        options,
        lambda say: bench.measure_sustained(options.commit, options.rates, say),
        bench.sustained_in_words,
    )


def device(arguments: list[str] | None = None) -> int:
    from scripts.bench import device_cost as bench

    parser = bench_parser("bench-device", bench.__doc__, "bench-device.json")
    add_count(parser, "--clips", 16, "clips to measure")
    options = parser.parse_args(arguments)
    return measured(options, lambda say: bench.measure_in_the_lab(options.clips, say), bench.table)


def gate(arguments: list[str] | None = None) -> int:
    from scripts.bench import gate as bench

    options = bench_parser("bench-gate", bench.__doc__, "bench-gate.json").parse_args(arguments)
    return measured(options, bench.measure_all, bench.table)
