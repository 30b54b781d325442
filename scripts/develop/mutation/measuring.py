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
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from threading import TIMEOUT_MAX, Timer
from typing import Any

from scripts.develop.mutation.changes import Change, Outline, changes_of
from scripts.develop.mutation.guards import text_of_test
from scripts.develop.mutation.places import Place
from scripts.develop.mutation.reach import Reach, lines_by_test
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT, import_roots

KEPT = BUILD / "mutation"
# Above what a test may take, for what is imported before the first, and what follows the last.
_LIMIT_S = 10.0
_CONTROL_LIMIT_S = 600.0
_COLLECTED = "--collected"


class TestsFail(LabError):
    """The tests of a folder do not pass as it stands."""


@dataclass(frozen=True)
class Tried:
    """What became of a change: `killed` by a test, `survived` all that run its line, `untested`
    where none does, or `not run` because time was up or the machine too busy to tell."""

    change: Change
    status: str
    by: str = ""


class _TimeUp(Exception):
    """Before the tests had run once as they are."""


class Measurement:
    """The tests of one place against the changes of its files. What still runs at the deadline (by
    time.monotonic) is ended."""

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

    @cached_property
    def _kept(self) -> dict[str, dict[str, str]]:
        return _read_kept(self._folder / "statuses.jsonl")

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
            When one of them does.
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
        """Several files of tests at once: they wait for more than they compute."""
        with tempfile.TemporaryDirectory(prefix="facelab-reach-") as scratch:
            jobs, data = [], []
            files = self._place.test_files()
            count = min(len(files), 4 * self._jobs)
            for number in range(1, count + 1):
                data.append(Path(scratch) / f"coverage-{number}")
                config = Path(scratch) / f"{number}.ini"
                config.write_text(f"[run]\ndata_file = {data[-1]}\n", "utf-8")
                options = [
                    f"--cov={self._place.folder}", f"--cov-config={config}", "--cov-context=test",
                    "--cov-report=",
                ]  # fmt: skip
                part = _job(-number, files[number - 1 :: count], _CONTROL_LIMIT_S)
                jobs.append({**part, "options": options})
            seconds: dict[str, float] = {}
            packages: set[str] = set()
            ended = 0
            with closing(_forked(jobs, 2 * self._jobs, self._deadline)) as outcomes:
                for outcome in outcomes:
                    self._must_pass(outcome)
                    seconds.update(outcome["durations"])
                    packages.update(outcome["packages"])
                    ended += 1
            if ended < len(jobs):
                if time.monotonic() < self._deadline:
                    raise TestsFail(f"{self._place.folder}: who runs its tests ended before them")
                raise _TimeUp
            for way in ((), (_COLLECTED,)):
                self._keep_passed(sorted(seconds), sorted(packages), way)
            return {**lines_by_test(data), "seconds": seconds}

    def _must_pass(self, outcome: dict[str, Any]) -> None:
        if outcome["status"] != "passed":
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
            When a test fails without a change.
        """
        try:
            reach = self.reach()
        except _TimeUp:
            yield from (Tried(change, "not run") for change in changes)
            return
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
            if outcome["status"] == "unsure":
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
        for outcome in self._of_jobs(loaded, _COLLECTED):
            if outcome["status"] == "not loaded":
                imported.append(by_number[outcome["number"]])
            else:
                yield outcome
        yield from self._of_jobs(imported)

    def _of_jobs(self, jobs: list[dict[str, Any]], *options: str) -> Iterator[dict[str, Any]]:
        if not jobs or time.monotonic() > self._deadline:
            return
        # First without a change: what fails then says nothing of one.
        tests = sorted({test for job in jobs for test in job["tests"]})
        kept = self._passed(options)
        if kept.exists() and {*json.loads(kept.read_text("utf-8"))["tests"]} >= {*tests}:
            options = (*options, str(kept))
        else:
            jobs = [_job(-1, tests, _CONTROL_LIMIT_S), *jobs]
        with closing(_forked(jobs, self._jobs, self._deadline, *options)) as outcomes:
            for outcome in outcomes:
                if outcome["number"] < 0:
                    self._must_pass(outcome)
                    self._keep_passed(tests, outcome["packages"], options)
                    continue
                yield outcome

    def _passed(self, options: tuple[str, ...]) -> Path:
        return self._folder / f"passed{''.join(options)}-{self._state()}.json"

    def _keep_passed(self, tests: list[str], packages: list[str], options: tuple[str, ...]) -> None:
        self._write(self._passed(options), json.dumps({"tests": tests, "packages": packages}))

    def _judged(self, change: Change, outcome: dict[str, Any]) -> Tried:
        if outcome["status"] == "passed":
            return Tried(change, "survived")
        if outcome["status"] == "broken":
            raise TestsFail(f"pytest could not run for {change.file}: {outcome['said']}")
        return Tried(change, "killed", outcome["failed_test"] or outcome["status"])

    def _known(self, change: Change, source: str) -> Tried | None:
        kept = self._kept.get(_key(change, source))
        if kept and kept["guard"] == self._guard_of(kept["status"], kept["by"]):
            return Tried(change, kept["status"], kept["by"])
        return None

    def _survived(self, change: Change, source: str) -> bool:
        return self._kept.get(_key(change, source), {}).get("status") == "survived"

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

    def _guard_of(self, status: str, by: str) -> str:
        """What a status stands on: a kill on the test that made it, a survival on all tests."""
        killer = ROOT / by.partition("::")[0]
        if status == "killed" and "::" in by and killer.is_file():
            return _digest(text_of_test(killer.read_text("utf-8"), by))
        return self._guard

    def _keep(self, tried: Tried, source: str) -> None:
        entry = {
            "key": _key(tried.change, source), "status": tried.status, "by": tried.by,
            "guard": self._guard_of(tried.status, tried.by),
        }  # fmt: skip
        if tried.status == "survived":
            entry["texts"] = json.dumps(self._texts)
        self._kept[entry["key"]] = entry
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "statuses.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _write(self, path: Path, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text, "utf-8")
        part.replace(path)


def tried_in_rounds(rounds: list[Measurement], changes: list[Change]) -> Iterator[Tried]:
    """What becomes of each change, where each round has more tests than the one before: what it
    lets live is left to the next.

    Raises
    ------
    TestsFail
        When a test fails without a change.
    """
    for some in rounds[:-1]:
        living = []
        for one in some.tried(changes):
            if one.status == "killed":
                yield one
            else:
                living.append(one.change)
        changes = living
    if changes:
        yield from rounds[-1].tried(changes)


def _job(
    number: int, tests: list[str], limit_s: float, file: str = "", source: str = ""
) -> dict[str, Any]:
    return {
        "number": number, "tests": tests, "limit_s": limit_s, "file": file, "source": source
    }  # fmt: skip


def _forked(
    jobs: list[dict[str, Any]], at_once: int, deadline: float, *options: str
) -> Generator[dict[str, Any]]:
    """What becomes of the jobs, in the order in which they end; nothing of those that have not by
    the deadline."""
    command = [sys.executable, "-m", "scripts.develop.mutation.worker", str(at_once), *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        at_the_end = Timer(min(deadline - time.monotonic(), TIMEOUT_MAX), process.terminate)
        at_the_end.start()
        try:
            with suppress(BrokenPipeError):  # ended before it read them
                process.stdin.write("".join(f"{json.dumps(job)}\n" for job in jobs))
                process.stdin.flush()
            with suppress(BrokenPipeError):
                process.stdin.close()
            for line in process.stdout:
                yield json.loads(line)
        finally:
            at_the_end.cancel()
            process.terminate()


def _guarding(place: Place) -> list[Path]:
    """The files that its tests are made of, with what stands beside them for all."""
    found: set[Path] = set((ROOT / "tests" / "fakes").rglob("*.py"))
    for one in place.tests:
        path = ROOT / one
        beside = [] if path.is_dir() else path.parent.glob("*.py")
        found |= set(path.rglob("*.py")) if path.is_dir() else {path}
        found |= {helper for helper in beside if not helper.name.startswith("test_")}
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
