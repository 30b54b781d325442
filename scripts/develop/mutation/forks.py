"""Forked children that run jobs: the packages that they need are loaded once, by their parent."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, TextIO

import pytest

from scripts.paths import ROOT

SILENT = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--tb=line")
# Exit codes that say nothing of a test: pytest found none, our own child failed, or the change
# is one that only an import of the whole file can show.
NONE_FOUND, OURS, NOT_LOADED = 5, 70, 71
# A test that failed after longer than this may have run into a deadline that a busy machine lets
# pass as well: whether it did, the same test says, without the change and with it once more.
_QUICK_S = 1.0
_TRIES = 2


@dataclass(frozen=True)
class Job:
    """Run `tests` with `file` (relative to the checkout) as `source`; without: as they stand.

    `limit_s` is how long none of them may begin or end, `test_limits_s` what each of them may take;
    one that is not in it may take what is usual.
    """

    number: int
    tests: list[str]
    limit_s: float
    file: str = ""
    source: str = ""
    test_limits_s: dict[str, float] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """`passed`, `failed` (a test, or already the import of one), `late` (killed at its limit),
    `broken` (there was nothing to run), `not loaded` (only an import can show the change) or
    `unsure` (twice a test failed late that failed without the change as well, or with it only
    once)."""

    number: int
    status: str
    failed_test: str
    seconds: float
    durations: dict[str, float]
    said: str  # the end of what a broken run printed
    packages: list[str]  # what a run with a number below 0 has loaded


class ChangedFileFinder(MetaPathFinder):
    """Imports one file as other text."""

    def __init__(self, file: Path, source: str) -> None:
        self._file, self._source = file, source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != self._file:
            return None
        spec.loader = _Text(fullname, spec.origin, self._source)
        return spec


class _Text(SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._text = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class RunRecorder:
    """What pytest tells of the tests: how long each took, and the first that failed. And what it is
    told: how long each may take."""

    def __init__(self, limits_s: dict[str, float] | None = None) -> None:
        self._limits_s = limits_s or {}
        self.durations: dict[str, float] = {}
        self.failed = ""
        self.alive: Path | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        limit(items, self._limits_s)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.alive is not None:
            self.alive.write_text(nodeid, "utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.alive is not None:
            self.alive.touch()
        if report.failed and not self.failed:
            self.failed = report.nodeid
        took = self.durations.get(report.nodeid, 0.0)
        self.durations[report.nodeid] = took + report.duration

    def keep(self, folder: Path) -> None:
        seen = {"durations": self.durations, "failed": self.failed, "packages": _packages()}
        (folder / "watched.json").write_text(json.dumps(seen), "utf-8")


def limit(items: list[pytest.Item], limits_s: dict[str, float]) -> None:
    """Give tests that set no limit of their own those of `limits_s`."""
    for item in items:
        if item.nodeid in limits_s and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(limits_s[item.nodeid]))


@dataclass
class Child:
    """A forked process that runs a job, as its parent and as itself sees it."""

    job: Job
    pid: int
    began: float
    folder: Path
    checks: Outcome | None = None  # whether this may be trusted; without the change, then with it

    @property
    def alive(self) -> Path:
        """The last test that began, by name; touched when it ends."""
        return self.folder / "alive"

    def left_s(self) -> float:
        """How long it may go on without a sign of life."""
        try:
            silent_s = time.time() - self.alive.stat().st_mtime
        except OSError:
            silent_s = time.monotonic() - self.began
        return max(0.0, self.job.limit_s - silent_s)

    def watched(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.folder / "watched.json").read_text("utf-8"))
        return {}

    def outcome(self, status: str) -> Outcome:
        watched, said, failed = self.watched(), "", ""
        if status == "late":
            with contextlib.suppress(OSError):
                failed = self.alive.read_text("utf-8")
        if status == "broken":
            said = (self.folder / "said").read_text("utf-8", "replace")[-2000:]
        took = time.monotonic() - self.began
        return Outcome(
            self.job.number, status, watched.get("failed", failed), round(took, 3),
            watched.get("durations", {}), said,
            watched.get("packages", []) if self.job.number < 0 else [],
        )  # fmt: skip

    def end(self) -> None:
        """End it, or what its tests left running."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def settle_in(self) -> None:
        """Called in the child: it has a group, an output and a folder of its own."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with (self.folder / "said").open("wb") as said, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(self.folder / "hypothesis")
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(self.folder)
        sys.dont_write_bytecode = True
        if self.job.file:
            path = (ROOT / self.job.file).resolve()
            sys.meta_path.insert(0, ChangedFileFinder(path, self.job.source))


class Forks:
    """Forks a child for each job, so many at once, and writes how each ended."""

    def __init__(
        self, jobs: list[Job], at_once: int, scratch: Path, out: TextIO, packages: list[str]
    ) -> None:
        self._packages = packages
        self.jobs = jobs
        self._waiting: list[tuple[Job, Outcome | None]] = [(job, None) for job in jobs[::-1]]
        self._tries: Counter[int] = Counter()
        self._at_once = at_once
        self._scratch = scratch
        self._out = out
        self._children: list[Child] = []

    def serve(self) -> Child | None:
        """Returns in each child, with what it is to run, and with None once all have ended."""
        _load(self._packages)
        told_to_end: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: told_to_end.append(number))
        children_may_end = _wake_on_child()
        try:
            while (self._waiting or self._children) and not told_to_end:
                while self._waiting and len(self._children) < self._room():
                    if (child := self._fork(*self._waiting.pop())) is not None:
                        return child
                left_s = min(one.left_s() for one in self._children)
                if select.select([children_may_end], [], [], left_s)[0]:
                    os.read(children_may_end, 4096)
                for outcome in self._reap():
                    print(json.dumps(asdict(outcome)), file=self._out, flush=True)
        except BrokenPipeError:
            pass  # nobody wants to know any more
        finally:
            for child in self._children:
                child.end()
        return None

    def _room(self) -> int:
        """How many may run; none of those that come after what is still to pass."""
        is_before = any(one.job.number < 0 for one in self._children)
        return 1 if is_before and self._waiting[-1][0].number >= 0 else self._at_once

    def _fork(self, job: Job, checks: Outcome | None) -> Child | None:
        folder = self._scratch / str(job.number)
        folder.mkdir()
        began = time.monotonic()
        pid = os.fork()
        child = Child(job, pid, began, folder, checks)
        if pid:
            self._children.append(child)
            return None
        try:
            self._children = []  # they are the parent's, as is what is written to
            os.close(self._out.fileno())
            child.settle_in()
        except BaseException:
            os._exit(OURS)
        return child

    def _reap(self) -> list[Outcome]:
        """Those that have ended, or are over their limit, which ends them."""
        ended = []
        for child in list(self._children):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            is_late = not pid and not child.left_s()
            if is_late:
                child.end()
                os.waitpid(child.pid, 0)
            elif not pid:
                continue
            child.end()
            if child.job.number < 0 and self._waiting:
                _load(child.watched().get("packages", []))
            outcome = child.outcome("late" if is_late else _status_of(status))
            self._children.remove(child)
            shutil.rmtree(child.folder, ignore_errors=True)
            if (settled := self._settled(child, outcome)) is not None:
                ended.append(settled)
        return ended

    def _settled(self, child: Child, outcome: Outcome) -> Outcome | None:
        """What a child's end says of its change; None where something is to be run before."""
        job, checked = child.job, child.checks
        if checked is None:
            if not job.file or not _may_be_the_machine(outcome):
                return outcome
            tests = [outcome.failed_test] if outcome.failed_test in job.tests else job.tests
            unchanged = replace(job, file="", source="", tests=tests)
            self._waiting.append((unchanged, outcome))
            return None
        changed = next(one for one in self.jobs if one.number == job.number)
        if job.file and outcome.status != "passed":
            return checked
        if not job.file and outcome.status == "passed":
            self._waiting.append((replace(changed, tests=job.tests), checked))
            return None
        self._tries[job.number] += 1
        if self._tries[job.number] == _TRIES:
            return replace(checked, status="unsure")
        self._waiting.append((changed, None))
        return None


def _may_be_the_machine(outcome: Outcome) -> bool:
    took_s = outcome.durations.get(outcome.failed_test, 0.0)
    return outcome.status == "late" or (outcome.status == "failed" and took_s > _QUICK_S)


def _status_of(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code in (NONE_FOUND, OURS):
        return "broken"
    if code == NOT_LOADED:
        return "not loaded"
    return "failed" if code else "passed"


def test_files(jobs: list[Job]) -> list[str]:
    """The files that the jobs' tests are in."""
    return sorted({test.partition("::")[0] for job in jobs for test in job.tests})


def _packages() -> list[str]:
    """What is loaded here of other people's."""
    own = tuple(f"{room}/" for room in ROOT.iterdir() if room.name not in (".venv", "build"))
    files = {name: getattr(one, "__file__", None) or "" for name, one in sys.modules.items()}
    return [name for name, file in files.items() if file and not file.startswith(own)]


def _load(packages: list[str]) -> None:
    warnings.simplefilter("ignore")
    for name in packages:
        with contextlib.suppress(Exception):  # then the children load it, as far as they can
            importlib.import_module(name)


def _wake_on_child() -> int:
    """A descriptor that can be read when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading
