"""No file that nobody reads to its end, no function that does several things."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
# Longer ones, each with its reason.
LONG_FUNCTIONS = {
    "training/card.py:write_card": "one text, as it is read",
}


def python_files() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
    return [name for name in names if "tests/" not in name]


def long_functions(name: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (node.end_lineno or 0) - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION:
            yield f"{name}:{node.name}"


def test_files_can_be_read_to_their_end():
    sizes = {name: len((ROOT / name).read_text().splitlines()) for name in python_files()}
    assert {name: size for name, size in sizes.items() if size > MOST_LINES_OF_A_FILE} == {}


def test_functions_fit_a_screen_or_have_a_reason():
    found = {
        one for name in python_files() for one in long_functions(name, (ROOT / name).read_text())
    }
    assert found == LONG_FUNCTIONS.keys()


def test_a_planted_function_is_found():
    body = "\n".join("    pass" for _ in range(MOST_LINES_OF_A_FUNCTION))
    assert list(long_functions("f.py", f"def f():\n{body}\n")) == ["f.py:f"]
