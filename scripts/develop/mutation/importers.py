"""Which tests import which file by name.

One that only makes a dataclass, and shows or compares it, runs no line of its file, since Python
wrote those; and no test runs a line that importing alone runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from scripts.paths import ROOT, import_roots


def tests_that_import(file: str, tests: Iterable[str]) -> list[str]:
    """Those of `tests` (as pytest names them) whose own file has an import of the module `file`."""
    names = {*_names(ROOT / file)}
    return [one for one in tests if names & _imported(ROOT / one.partition("::")[0])]


def _names(file: Path) -> Iterator[str]:
    """What it may be imported as."""
    for root in map(Path, import_roots()):
        if file.is_relative_to(root):
            yield ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@cache
def _imported(test_file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(test_file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return names
