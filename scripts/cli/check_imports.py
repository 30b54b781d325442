"""Check that no room imports what it may not, and that no modules import in a circle."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.cli.parsing import task_parser
from scripts.console import print_json, run_command
from scripts.develop.imports import Tree
from scripts.paths import ROOT


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("check-imports", __doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout; default: this one")
    options = parser.parse_args(arguments)
    tree = Tree(options.root.resolve())
    faults = tree.broken_rules()
    faults += [f"these import each other: {', '.join(circle)}" for circle in tree.circles()]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("  hint: docs/architecture.md says which room may see which", file=sys.stderr)
    if options.json:
        print_json({"modules": len(tree.modules), "faults": faults})
    elif not faults:
        print(f"imports: {len(tree.modules)} modules keep to their rooms")
    return 1 if faults else 0


if __name__ == "__main__":
    run_command(main)
