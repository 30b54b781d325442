"""How long the tests will take, by how long each took the last time on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from scripts.paths import BUILD

FILE = BUILD / "tests-took.json"


class Took:
    """A plugin of pytest: an estimate after it has collected, kept anew when it has run. pytest's
    own lines stay as they are; where it is quiet (-q) so is this."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._seconds: dict[str, float] = {}

    def pytest_report_collectionfinish(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> str | list[str]:
        is_quiet = config.get_verbosity() < 0
        return [] if is_quiet else estimate((item.nodeid for item in items), self._file) or []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed:
            took_s = self._seconds.get(report.nodeid, 0.0) + report.duration
            self._seconds[report.nodeid] = round(took_s, 2)

    def pytest_sessionfinish(self) -> None:
        keep(self._seconds, self._file)


def estimate(tests: Iterable[str], file: Path = FILE) -> str:
    """In words; nothing where none of the tests was ever run here, or all take a moment."""
    took = _read(file)
    wanted = list(tests)
    known = [took[one] for one in wanted if one in took]
    if not known:
        return ""
    others = len(wanted) - len(known)
    # What never ran is expected to take as long as the others do.
    expected_s = sum(known) / len(known) * len(wanted)
    if expected_s < 2:
        return ""
    new = f", {others} of them new" if others else ""
    many = "" if len(wanted) == 1 else "s"
    return f"{len(wanted)} test{many}{new}: about {_about(expected_s)}, as the last time"


def _about(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{round(seconds / 60)} minutes"


def keep(seconds: Mapping[str, float], file: Path = FILE) -> None:
    """What can't be kept is not worth an error."""
    if not seconds:
        return
    with suppress(OSError):
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps({**_read(file), **seconds}, indent=1) + "\n", "utf-8")
        part.replace(file)


def _read(file: Path) -> dict[str, float]:
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text("utf-8"))
        if isinstance(found, dict):
            return {str(test): one for test, one in found.items() if isinstance(one, int | float)}
    return {}
