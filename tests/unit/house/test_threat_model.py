"""Each defense that the threat model claims names tests, and those exist."""

from __future__ import annotations

import re

from scripts.paths import ROOT

PAGE = ROOT / "docs" / "threat-model.md"
TEST = re.compile(r"`([\w/.-]+\.py)::(\w+)`")


def missing(text: str) -> list[str]:
    """The tests named in `text` that are not in the tree."""
    gone = []
    for path, name in TEST.findall(text):
        file = ROOT / path
        if not file.exists() or not re.search(rf"^\s*def {name}\(", file.read_text(), re.M):
            gone.append(f"{path}::{name}")
    return gone


def defended() -> list[str]:
    """The rows of the table of what is defended."""
    section = PAGE.read_text().partition("## What is defended")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.startswith(("| threat", "| ---"))]


def test_every_test_that_the_page_names_exists():
    assert missing(PAGE.read_text()) == []


def test_every_defense_names_a_test():
    rows = defended()
    assert len(rows) > 15
    assert [row for row in rows if not TEST.search(row)] == []


def test_a_test_that_is_not_there_would_be_told():
    assert missing("`tests/unit/house/test_threat_model.py::test_nothing_of_this`")
    assert missing("`tests/none.py::test_x`") == ["tests/none.py::test_x"]
