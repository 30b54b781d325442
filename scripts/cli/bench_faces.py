"""Benches of recognition: how fast it is, what it finds, what its figures mean."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.cli.bench_ending import add_commit, add_count, at_least_one, bench_parser, measured
from scripts.cli.parsing import task_parser, tell
from scripts.console import Progress
from scripts.paths import ROOT

# Each loads what it measures with: one of them says how many cores numpy takes before numpy loads.


def handler(arguments: list[str] | None = None) -> int:
    from scripts.bench import handler as bench

    parser = bench_parser("bench-handler", bench.__doc__, "bench.json")
    _add_rounds(parser)
    options = parser.parse_args(arguments)
    return measured(
        options, lambda say: bench.measure(options.rounds, options.clips, say), bench.in_words
    )


def against(arguments: list[str] | None = None) -> int:
    from scripts.bench import against as bench

    parser = bench_parser("bench-against", bench.__doc__, "against.json")
    add_commit(parser)
    _add_rounds(parser)
    options = parser.parse_args(arguments)
    asked = (options.commit, options.rounds, options.clips)
    return measured(options, lambda say: bench.measure(*asked, say), bench.in_words)


def _add_rounds(parser: argparse.ArgumentParser) -> None:
    add_count(parser, "--rounds", 5, "times each clip is answered")
    add_count(parser, "--clips", 2, "clips of each person")


def gallery(arguments: list[str] | None = None) -> int:
    from scripts.bench import gallery as bench

    parser = task_parser("bench-gallery", bench.__doc__)
    add_count(parser, "--embeddings", 50_000, "default %(default)s")
    add_count(parser, "--each", 5, "embeddings of one person")
    add_count(parser, "--searches", 100, "default %(default)s")
    options = parser.parse_args(arguments)
    facts = bench.measure(options.embeddings, options.each, options.searches)
    tell(facts, bench.in_words, as_json=options.json)
    return 0


def detection(arguments: list[str] | None = None) -> int:
    from scripts.bench import detection as bench
    from scripts.bench.detection_report import as_table, empty_in_words, sizes_in_words

    parser = task_parser("bench-detection", bench.__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out", metavar="DIR", help="default: out/"
    )
    parser.add_argument("--sizes", action="store_true", help="one face at every size")
    parser.add_argument(
        "--empty", type=at_least_one, metavar="N", help="so many pictures of nobody"
    )
    parser.add_argument(
        "--photographs", type=Path, metavar="DIR", help="pictures without people, with --empty"
    )
    options = parser.parse_args(arguments)
    folder = options.out
    if options.sizes:
        options.out = folder / "detection-sizes.json"
        return measured(options, bench.every_size, sizes_in_words)
    if options.empty:
        options.out = folder / "detection-empty.json"
        asked = (options.empty, options.photographs)
        return measured(options, lambda say: bench.nobody(*asked, say), empty_in_words)
    options.out = folder / "detection.json"
    return measured(options, bench.hard_faces, as_table)


def replays(arguments: list[str] | None = None) -> int:
    from scripts.bench import replays as bench

    parser = task_parser("bench-replays", bench.__doc__)
    add_count(parser, "--clips", 40, "at most; default %(default)s")
    options = parser.parse_args(arguments)
    facts = bench.measure(options.clips, Progress(quiet=options.json))
    tell(facts, bench.in_words, as_json=options.json)
    return 0


def sharpest(arguments: list[str] | None = None) -> int:
    from scripts.bench import sharpest as bench

    parser = bench_parser("bench-sharpest", bench.__doc__, "sharpest.json")
    _add_faces(parser)
    add_count(parser, "--each", 1, "clips of each person and kind")
    options = parser.parse_args(arguments)
    return measured(
        options, lambda say: bench.measure(options.faces, options.each, say), bench.in_words
    )


def calibrate(arguments: list[str] | None = None) -> int:
    from scripts.bench import calibrate_distances as bench

    parser = bench_parser("calibrate-distances", bench.__doc__, "distances.json")
    _add_faces(parser)
    _add_draws(parser)
    options = parser.parse_args(arguments)
    return measured(
        options, lambda say: bench.measure(options.faces, options.draws, say), bench.in_words
    )


def groups(arguments: list[str] | None = None) -> int:
    from scripts.bench import distance_groups as bench

    parser = bench_parser("calibrate-groups", bench.__doc__, "distances-by-group.json")
    _add_faces(parser)
    parser.add_argument(
        "--groups", type=Path, required=True, metavar="CSV", help="person, and labels"
    )
    _add_draws(parser)
    options = parser.parse_args(arguments)
    asked = (options.faces, options.groups, options.draws)
    return measured(options, lambda say: bench.measure(*asked, say), bench.in_words)


def _add_faces(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--faces", type=Path, required=True, metavar="DIR", help="a folder for each person"
    )


def _add_draws(parser: argparse.ArgumentParser) -> None:
    add_count(parser, "--draws", 10, "choices of who is enrolled")
