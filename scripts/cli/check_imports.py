"""Check that no room imports what it may not, and that no modules import in a circle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.develop.imports import Tree
from scripts.paths import ROOT


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab check-imports", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout; default: this one")
    options = parser.parse_args(arguments)
    tree = Tree(options.root.resolve())
    faults = tree.broken_rules()
    faults += [f"these import each other: {', '.join(circle)}" for circle in tree.circles()]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("  hint: docs/architecture.md says which room may see which", file=sys.stderr)
        return 1
    print(f"imports: {len(tree.modules)} modules keep to their rooms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
