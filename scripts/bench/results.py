"""What a bench found: into its file, onto the page of all benches, and before the person."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.console import Progress, print_json
from scripts.report.bench import write_bench_page


def keep(facts: dict[str, Any], path: Path, progress: Progress) -> None:
    """Write the file, and the page of its folder anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2) + "\n")
    progress(f"wrote {path} and {write_bench_page(path.parent)}")


def keep_and_tell(
    facts: dict[str, Any],
    path: Path,
    progress: Progress,
    in_words: Callable[[dict[str, Any]], str],
    *,
    as_json: bool,
) -> int:
    """The end of a bench: what was found into its file, and to the person or as JSON."""
    keep(facts, path, progress)
    if as_json:
        print_json(facts)
    else:
        print(in_words(facts))
    return 0


def count_and_keep(
    arguments: list[str] | None,
    parser: argparse.ArgumentParser,
    measure: Callable[[int, Progress], dict[str, Any]],
    path: Path,
    says: tuple[str, str],
) -> int:
    """A bench whose command line says how often, `--count`, and of which p50 and p95 are told.

    `says` is what is told, in words, and the field of the result that has it.
    """
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    progress = Progress(quiet=options.json)
    facts = measure(max(1, options.count), progress)
    words, field = says

    def in_words(found: dict[str, Any]) -> str:
        return f"{words}: p50 {found[field]['p50']} ms, p95 {found[field]['p95']} ms"

    return keep_and_tell(facts, path, progress, in_words, as_json=options.json)
