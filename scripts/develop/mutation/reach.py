"""What all tests of a place run when nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.develop.mutation.importers import tests_that_import
from scripts.paths import ROOT

# A change may make a loop endless, or keep from happening what a test waits for. Short, since what
# is late on a busy machine is late without the change too, which is tried then.
_TEST_LIMIT_S = 3.0
_TEST_LIMIT_FACTOR = 3.0


@dataclass(frozen=True)
class Reach:
    """Which tests run which lines, which lines importing runs, and how long each test takes."""

    lines: dict[str, dict[int, list[str]]]
    imported: dict[str, set[int]]
    seconds: dict[str, float]

    def tests(self, file: str, lines: range | None, *, keeps_results: bool) -> list[str]:
        """Quick ones first. Of what importing runs, and where a file's functions run once for all
        that ask the same: all that use the file."""
        known = self.lines.get(file, {})
        if lines is not None and not keeps_results and not self.is_imported(file, lines):
            return self._sorted({test for line in lines for test in known.get(line, ())})
        using = {test for tests in known.values() for test in tests}
        return self._sorted({*using, *tests_that_import(file, self.seconds)})

    @cached_property
    def files(self) -> set[str]:
        """Those that the tests are in."""
        return {test.partition("::")[0] for test in self.seconds}

    def is_imported(self, file: str, lines: range | None) -> bool:
        """Whether importing runs any of these lines."""
        return lines is None or not self.imported.get(file, set()).isdisjoint(lines)

    def limits_s(self, tests: list[str]) -> dict[str, float]:
        """What each test may take."""
        usual = {test: self.seconds.get(test, 0.0) for test in tests}
        return {test: _TEST_LIMIT_S + _TEST_LIMIT_FACTOR * one for test, one in usual.items()}

    def _sorted(self, tests: set[str]) -> list[str]:
        return sorted(tests, key=lambda test: (self.seconds.get(test, 0.0), test))


def lines_by_test(data_files: Iterable[Path]) -> dict[str, Any]:
    """Per file which tests run which line, and which lines importing runs; of coverage's files."""
    from coverage import CoverageData

    lines: dict[str, dict[str, set[str]]] = {}
    imported: dict[str, set[int]] = {}
    for data_file in data_files:
        data = CoverageData(str(data_file))
        data.read()
        for path in data.measured_files():
            file = Path(path).relative_to(ROOT).as_posix()
            of_file = lines.setdefault(file, {})
            of_import = imported.setdefault(file, set())
            for line, contexts in data.contexts_by_lineno(path).items():
                tests = {context.rpartition("|")[0] for context in contexts}
                of_file.setdefault(str(line), set()).update(tests - {""})
                if "" in contexts:
                    of_import.add(line)
    return {
        "lines": {
            file: {line: sorted(tests) for line, tests in by_line.items()}
            for file, by_line in lines.items()
        },
        "imported": {file: sorted(found) for file, found in imported.items()},
    }
