"""Which tests run which line, and what they say to each change of it. All of it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.develop.mutation.changes import Change, Outline, changes_of
from scripts.develop.mutation.guards import text_of_test
from scripts.develop.mutation.importers import tests_that_import
from scripts.develop.mutation.places import Place
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT, import_roots

KEPT = BUILD / "mutation"
# A change may make a loop endless, or keep from happening what a test waits for. Short, since what
# is late on a busy machine is late without the change too, which is tried then.
_TEST_LIMIT_S = 3.0
_TEST_LIMIT_FACTOR = 3.0
# Above that, for what is imported before the first test, and what follows the last.
_LIMIT_S = 10.0
_CONTROL_LIMIT_S = 600.0


class TestsFail(LabError):
    """The tests of a folder do not pass as it stands."""


@dataclass(frozen=True)
class Tried:
    """What became of a change: `killed` by a test, `survived` all that run its line, `untested`
    where none does, or `not run` because time was up or the machine too busy to tell."""

    change: Change
    verdict: str
    by: str = ""


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


class Measurement:
    """The tests of one place against the changes of its files."""

    def __init__(self, place: Place, jobs: int, deadline: float = float("inf")) -> None:
        self._place = place
        self._jobs = jobs
        self._deadline = deadline
        self._folder = KEPT / place.folder.replace("/", "-")
        texts = {path: path.read_text("utf-8") for path in _guarding(place)}
        self._guard = _digest(*texts.values())
        self._texts = {
            path.relative_to(ROOT).as_posix(): _digest(one) for path, one in texts.items()
        }
        self._kept = _read_kept(self._folder / "tried.jsonl")

    def changes(self, file: str) -> list[Change]:
        """The file's changes; found once for each of its states."""
        source = (ROOT / file).read_text("utf-8")
        found = self._folder / f"changes-{_digest(file, source, _tool())}.json"
        if not found.exists():
            self._write(found, json.dumps([asdict(one) for one in changes_of(file, source)]))
        return [Change(**one) for one in json.loads(found.read_text("utf-8"))]

    def reach(self) -> Reach:
        """Run all tests of the place once, as they are.

        Raises
        ------
        TestsFail
        """
        kept = self._folder / f"reach-{self._state()}.json"
        if kept.exists():
            stored = json.loads(kept.read_text("utf-8"))
        else:
            stored = self._run_all()
            self._write(kept, json.dumps(stored))
        lines = {
            file: {int(line): tests for line, tests in by_line.items()}
            for file, by_line in stored["lines"].items()
        }
        imported = {file: set(lines) for file, lines in stored["imported"].items()}
        return Reach(lines, imported, stored["seconds"])

    def _state(self) -> str:
        """The same for the same tests of the same files."""
        files = sorted((ROOT / self._place.folder).rglob("*.py"))
        return _digest(self._guard, *(path.read_text("utf-8") for path in files))

    def _run_all(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="facelab-reach-") as scratch:
            data = Path(scratch) / "coverage"
            options = [f"--cov={self._place.folder}", "--cov-context=test", "--cov-report="]
            job = {**_job(-1, [*self._place.tests], _CONTROL_LIMIT_S), "options": options}
            outcome = next(_forked([job], 1, {"COVERAGE_FILE": str(data)}))
            self._must_pass(outcome)
            return {**_lines_by_test(data), "seconds": outcome["durations"]}

    def _must_pass(self, outcome: dict[str, Any]) -> None:
        if outcome["verdict"] != "passed":
            which = outcome["failed_test"] or outcome["said"] or "no test ran"
            raise TestsFail(
                f"{self._place.folder}: its tests must pass before it is changed: {which}",
                f"make test ARGS={which.partition('[')[0]!r}" if outcome["failed_test"] else "",
            )

    def tried(self, changes: list[Change]) -> Iterator[Tried]:
        """What becomes of each change, in the order in which it shows.

        Raises
        ------
        TestsFail
        """
        reach = self.reach()
        sources = {one.file: (ROOT / one.file).read_text("utf-8") for one in changes}
        outlines = {file: Outline(source) for file, source in sources.items()}
        waiting: dict[int, Change] = {}
        loaded: list[dict[str, Any]] = []
        imported: list[dict[str, Any]] = []
        for number, change in enumerate(changes):
            file, source = change.file, sources[change.file]
            known = self._known(change, source)
            lines = outlines[file].lines_run(change.line)
            tests = reach.tests(file, lines, keeps_results=outlines[file].keeps_results)
            if not known and self._survived(change, source):
                tests = self._not_asked(change, source, tests, reach)
                known = None if tests else Tried(change, "survived")
            if known or not tests:
                yield known or Tried(change, "untested")
                continue
            waiting[number] = change
            limits_s = reach.limits_s(tests)
            limit_s = _LIMIT_S + max(limits_s.values())
            job = _job(number, tests, limit_s, file, change.apply(source))
            jobs = imported if reach.is_imported(file, lines) else loaded
            jobs.append({**job, "test_limits_s": limits_s})
        # In no order of theirs: what ran before time was up is a fair sample.
        for jobs in (loaded, imported):
            jobs.sort(key=lambda job: _key(waiting[job["number"]], sources[job["file"]]))
        for outcome in self._outcomes(loaded, imported):
            if outcome["verdict"] == "unsure":
                continue
            change = waiting.pop(outcome["number"])
            tried = self._judged(change, outcome)
            self._keep(tried, sources[change.file])
            yield tried
        for change in waiting.values():
            yield Tried(change, "not run")

    def _outcomes(
        self, loaded: list[dict[str, Any]], imported: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """What becomes of the jobs that the loaded tests can show, then of the others."""
        by_number = {job["number"]: job for job in loaded}
        for outcome in self._of_jobs(loaded, "--collected"):
            if outcome["verdict"] == "not loaded":
                imported.append(by_number[outcome["number"]])
            else:
                yield outcome
        yield from self._of_jobs(imported)

    def _of_jobs(self, jobs: list[dict[str, Any]], *options: str) -> Iterator[dict[str, Any]]:
        if not jobs or time.monotonic() > self._deadline:
            return
        # First without a change: what fails then says nothing of one.
        tests = sorted({test for job in jobs for test in job["tests"]})
        kept = self._folder / f"passed{''.join(options)}-{self._state()}.json"
        if kept.exists() and {*json.loads(kept.read_text("utf-8"))["tests"]} >= {*tests}:
            options = (*options, str(kept))
        else:
            jobs = [_job(-1, tests, _CONTROL_LIMIT_S), *jobs]
        with closing(_forked(jobs, self._jobs, {}, *options)) as outcomes:
            for outcome in outcomes:
                if outcome["number"] < 0:
                    self._must_pass(outcome)
                    packages = outcome["packages"]
                    self._write(kept, json.dumps({"tests": tests, "packages": packages}))
                    continue
                yield outcome
                if time.monotonic() > self._deadline:
                    break

    def _judged(self, change: Change, outcome: dict[str, Any]) -> Tried:
        if outcome["verdict"] == "passed":
            return Tried(change, "survived")
        if outcome["verdict"] == "broken":
            raise TestsFail(f"pytest could not run for {change.file}: {outcome['said']}")
        return Tried(change, "killed", outcome["failed_test"] or outcome["verdict"])

    def _known(self, change: Change, source: str) -> Tried | None:
        kept = self._kept.get(_key(change, source))
        if kept and kept["guard"] == self._guard_of(kept["verdict"], kept["by"]):
            return Tried(change, kept["verdict"], kept["by"])
        return None

    def _survived(self, change: Change, source: str) -> bool:
        return self._kept.get(_key(change, source), {}).get("verdict") == "survived"

    def _not_asked(self, change: Change, source: str, tests: list[str], reach: Reach) -> list[str]:
        """Of the tests of a change that survived earlier: those whose file is not what it was;
        all, where what they share is not."""
        asked: dict[str, str] = json.loads(self._kept[_key(change, source)].get("texts", "{}"))
        files = reach.files
        if any(asked.get(name) != text for name, text in self._texts.items() if name not in files):
            return tests
        return [
            one
            for one in tests
            if asked.get(file := one.partition("::")[0]) != self._texts.get(file)
        ]

    def _guard_of(self, verdict: str, by: str) -> str:
        """What a verdict stands on: a kill on the test that made it, a survival on all tests."""
        killer = ROOT / by.partition("::")[0]
        if verdict == "killed" and "::" in by and killer.is_file():
            return _digest(text_of_test(killer.read_text("utf-8"), by))
        return self._guard

    def _keep(self, tried: Tried, source: str) -> None:
        entry = {
            "key": _key(tried.change, source), "verdict": tried.verdict, "by": tried.by,
            "guard": self._guard_of(tried.verdict, tried.by),
        }  # fmt: skip
        if tried.verdict == "survived":
            entry["texts"] = json.dumps(self._texts)
        self._kept[entry["key"]] = entry
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "tried.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _write(self, path: Path, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text, "utf-8")
        part.replace(path)


def _job(
    number: int, tests: list[str], limit_s: float, file: str = "", source: str = ""
) -> dict[str, Any]:
    return {
        "number": number, "tests": tests, "limit_s": limit_s, "file": file, "source": source
    }  # fmt: skip


def _forked(
    jobs: list[dict[str, Any]], at_once: int, environment: dict[str, str], *options: str
) -> Generator[dict[str, Any]]:
    command = [sys.executable, "-m", "scripts.develop.mutation.worker", str(at_once), *options]
    paths = {"PYTHONPATH": os.pathsep.join(import_roots())}
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **paths, **environment}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        try:
            process.stdin.write("".join(f"{json.dumps(job)}\n" for job in jobs))
            process.stdin.close()
            for line in process.stdout:
                yield json.loads(line)
        finally:
            process.terminate()


def _lines_by_test(data_file: Path) -> dict[str, Any]:
    from coverage import CoverageData

    data = CoverageData(str(data_file))
    data.read()
    lines: dict[str, dict[str, list[str]]] = {}
    imported: dict[str, list[int]] = {}
    for path in data.measured_files():
        file = Path(path).relative_to(ROOT).as_posix()
        lines[file], imported[file] = {}, []
        for line, contexts in data.contexts_by_lineno(path).items():
            tests = {context.rpartition("|")[0] for context in contexts}
            lines[file][str(line)] = sorted(tests - {""})
            if "" in contexts:
                imported[file].append(line)
    return {"lines": lines, "imported": imported}


def _guarding(place: Place) -> list[Path]:
    """The files that its tests are made of."""
    found: set[Path] = set((ROOT / "tests" / "fakes").rglob("*.py"))
    for one in place.tests:
        path = ROOT / one
        found |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return sorted(found)


def _read_kept(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    kept = {}
    for line in path.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # written half when it was interrupted
        kept[entry["key"]] = entry
    return kept


def _key(change: Change, source: str) -> str:
    return _digest(change.file, source, str(change.start), str(change.end), change.new)


def _tool() -> str:
    """Of what finds the changes: another way to find them finds others."""
    here = Path(__file__).parent
    names = ("changes.py", "operators.py", "requirements.txt")
    return _digest(*((here / name).read_text("utf-8") for name in names))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
