"""Tests in forked processes: the packages that they need are loaded once, by their parent.

    python -m scripts.develop.mutation.forks JOBS < jobs > outcomes

Reads one `Job` a line as JSON and writes one `Outcome` a line, in the order in which they end.
Nothing of the checkout's rooms is loaded here, so that each child loads the file it is about.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from scripts.paths import ROOT

_SILENT = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--tb=line")
# Exit codes that are no verdict of a test: pytest found none, or our own child failed.
_NONE_FOUND, _OURS = 5, 70


@dataclass(frozen=True)
class Job:
    """Run `tests` with `file` (relative to the checkout) as `source`; without: as they stand."""

    number: int
    tests: list[str]
    limit_s: float
    file: str = ""
    source: str = ""
    options: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """`passed`, `failed` (a test, or already the import of one), `late` (killed at its limit) or
    `broken` (there was nothing to run)."""

    number: int
    verdict: str
    failed_test: str
    seconds: float
    durations: dict[str, float]
    said: str  # the end of what a broken run printed


class _Changed(MetaPathFinder):
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


class _Watch:
    """What pytest tells of the tests: how long each took, and the first that failed."""

    def __init__(self) -> None:
        self.durations: dict[str, float] = {}
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid
        took = self.durations.get(report.nodeid, 0.0)
        self.durations[report.nodeid] = took + report.duration


@dataclass
class _Child:
    job: Job
    pid: int
    began: float
    folder: Path

    def outcome(self, verdict: str) -> Outcome:
        watched: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            watched = json.loads((self.folder / "watched.json").read_text("utf-8"))
        said = ""
        if verdict == "broken":
            said = (self.folder / "said").read_text("utf-8", "replace")[-2000:]
        took = time.monotonic() - self.began
        return Outcome(
            self.job.number, verdict, watched.get("failed", ""), round(took, 3),
            watched.get("durations", {}), said,
        )  # fmt: skip


def _start(job: Job, scratch: Path) -> _Child:
    folder = scratch / str(job.number)
    folder.mkdir()
    began = time.monotonic()
    pid = os.fork()
    if pid:
        return _Child(job, pid, began, folder)
    status = _OURS
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        status = _run(job, folder)
    finally:
        os._exit(status)


def _run(job: Job, folder: Path) -> int:
    with (folder / "said").open("wb") as said, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
    sys.dont_write_bytecode = True
    if job.file:
        sys.meta_path.insert(0, _Changed((ROOT / job.file).resolve(), job.source))
    watch = _Watch()
    options = [*_SILENT, f"--basetemp={folder / 'tmp'}", *job.options]
    status = int(pytest.main([*options, *job.tests], plugins=[watch]))
    seen = {"durations": watch.durations, "failed": watch.failed}
    (folder / "watched.json").write_text(json.dumps(seen), "utf-8")
    sys.stdout.flush()
    return status


def _load_packages(tests: list[str]) -> None:
    """Load what the tests load of other people's packages: a child tells which those are."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            _tell_packages(tests, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        names = told.read().split()
    os.waitpid(pid, 0)
    warnings.simplefilter("ignore")
    for name in names:
        with contextlib.suppress(Exception):  # then the children load it, as far as they can
            importlib.import_module(name)


def _tell_packages(tests: list[str], writing: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    before = set(sys.modules)
    pytest.main([*_SILENT, "--collect-only", *tests])
    own = tuple(f"{room}" for room in ROOT.iterdir() if room.name not in (".venv", "build"))
    names = []
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None) or ""
        if name not in before and name.isascii() and file and not file.startswith(own):
            names.append(name)
    os.write(writing, "\n".join(names).encode())


def _end(child: _Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _reap(children: list[_Child]) -> list[Outcome]:
    """Those that have ended, or are over their limit, which ends them."""
    ended = []
    for child in list(children):
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        is_late = not pid and time.monotonic() - child.began > child.job.limit_s
        if is_late:
            _end(child)
            os.waitpid(child.pid, 0)
        elif not pid:
            continue
        _end(child)  # what its tests left running
        ended.append(child.outcome("late" if is_late else _verdict(status)))
        children.remove(child)
        shutil.rmtree(child.folder, ignore_errors=True)
    return ended


def _verdict(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code in (_NONE_FOUND, _OURS):
        return "broken"
    return "failed" if code else "passed"


def serve(jobs: int, scratch: Path) -> None:
    children: list[_Child] = []
    waiting = [Job(**json.loads(line)) for line in sys.stdin]
    _load_packages(sorted({test.partition("::")[0] for job in waiting for test in job.tests}))
    waiting.reverse()
    told_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told_to_end.append(number))
    children_may_end = _wake_on_child()
    try:
        while (waiting or children) and not told_to_end:
            while waiting and len(children) < jobs:
                children.append(_start(waiting.pop(), scratch))
            limit = min(one.began + one.job.limit_s for one in children)
            left_s = max(0.0, limit - time.monotonic())
            if select.select([children_may_end], [], [], left_s)[0]:
                os.read(children_may_end, 4096)
            for outcome in _reap(children):
                print(json.dumps(asdict(outcome)), flush=True)
    except BrokenPipeError:
        pass  # nobody wants to know any more
    finally:
        for child in children:
            _end(child)


def _wake_on_child() -> int:
    """A descriptor that can be read when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="facelab-mutate-") as scratch:
        serve(int(sys.argv[1]), Path(scratch))
    # What could not be written is nobody's any more; the end must not try again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
