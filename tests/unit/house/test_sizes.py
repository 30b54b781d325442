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


# What is read from its beginning, or where something stands in it is looked up.
LONG_FILES = {
    "CHANGELOG.md": "one text, newest first; a release ends its longest part",
    "scripts/develop/mutation/reasons.yaml": "data: a reason for each fault that lives",
    "scripts/provision/stack.yaml": "one stack is one template",
}
TEXTS = ("*.py", "*.yaml", "*.yml", "*.md", "*.js", "*.css", "*.html", "*.sh", "*.toml", "Makefile")


def python_files() -> list[str]:
    return files("*.py")


def files(*patterns: str) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
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
    sizes = {name: len((ROOT / name).read_text("utf-8").splitlines()) for name in files(*TEXTS)}
    assert {name for name, size in sizes.items() if size > MOST_LINES_OF_A_FILE} == set(LONG_FILES)


def test_functions_fit_a_screen_or_have_a_reason():
    found = {
        one for name in python_files() for one in long_functions(name, (ROOT / name).read_text())
    }
    assert found == LONG_FUNCTIONS.keys()


def test_a_planted_function_is_found():
    body = "\n".join("    pass" for _ in range(MOST_LINES_OF_A_FUNCTION))
    assert list(long_functions("f.py", f"def f():\n{body}\n")) == ["f.py:f"]
