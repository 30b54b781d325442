"""What the benches' command lines have in common: what they write, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.bench.results import keep
from scripts.cli.parsing import task_parser, tell
from scripts.console import Progress
from scripts.paths import ROOT

Facts = dict[str, Any]


def bench_parser(task: str, about: str | None, name: str) -> argparse.ArgumentParser:
    """The parser of a bench that writes `out/NAME`."""
    parser = task_parser(task, about)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / name, metavar="FILE", help=f"default: out/{name}"
    )
    return parser


def at_least_one(text: str) -> int:
    """An option's value that counts something."""
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def add_count(parser: argparse.ArgumentParser, name: str, default: int, text: str) -> None:
    """An option that counts something."""
    parser.add_argument(name, type=at_least_one, default=default, metavar="N", help=text)


def add_commit(parser: argparse.ArgumentParser) -> None:
    """Which commit this checkout is held against."""
    parser.add_argument("--commit", default="3c7f219", help="the earlier one (%(default)s)")


def measured(
    options: argparse.Namespace,
    measure: Callable[[Progress], Facts],
    in_words: Callable[[Facts], str],
) -> int:
    """Measure, write what was found, tell it; with --json quietly."""
    progress = Progress(quiet=options.json)
    facts = measure(progress)
    keep(facts, options.out, progress)
    tell(facts, in_words, as_json=options.json)
    return 0
