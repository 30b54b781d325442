"""A row of the faults' report for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from scripts.develop.commit import commit
from scripts.paths import ROOT
from tests.faults import took
from tests.faults.report import Report, Row

_seconds: dict[str, float] = {}


def pytest_collection_finish(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and (told := took.estimate(item.nodeid for item in session.items)):
        terminal.write_line(told)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.passed:
        _seconds[report.nodeid] = round(_seconds.get(report.nodeid, 0.0) + report.duration, 1)


def pytest_sessionfinish() -> None:
    took.keep(_seconds)


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
