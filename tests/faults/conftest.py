"""A row of the faults' report for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scripts.develop.commit import commit
from scripts.paths import ROOT
from tests.faults.report import Report, Row


@pytest.fixture(scope="session")
def faults_report() -> Iterator[Report]:
    report = Report()
    yield report
    report.write(ROOT / "out", commit())


@pytest.fixture
def new_row(faults_report: Report) -> Callable[[str], Row]:
    """Another row, by the name of its fault; a test that fails leaves its rows too."""

    def make(name: str) -> Row:
        made = Row(name)
        faults_report.rows.append(made)
        return made

    return make


@pytest.fixture
def row(new_row: Callable[[str], Row], request: pytest.FixtureRequest) -> Row:
    """This test's row, named after it."""
    return new_row(request.node.name.removeprefix("test_").replace("_", " "))
