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
    keep(facts, path, progress)
    if options.json:
        print_json(facts)
        return 0
    words, field = says
    print(f"{words}: p50 {facts[field]['p50']} ms, p95 {facts[field]['p95']} ms")
    return 0
