"""A row of the faults' report for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

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
def row(faults_report: Report, request: pytest.FixtureRequest) -> Row:
    """This test's row, named after it; a test that fails leaves its row too."""
    name = request.node.name.removeprefix("test_").replace("_", " ")
    made = Row(name)
    faults_report.rows.append(made)
    return made
