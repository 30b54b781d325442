"""Changes made to what is loaded already: a function gets the code that the changed file gives it.

So a child starts with all tests collected, and its time is its tests' own. What code was run while
files were imported is no concern here: whoever asks leaves changes of it to a child that imports.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import CO_OPTIMIZED
from types import CodeType, FunctionType

import pytest

from scripts.develop.mutation.forks import (
    NONE_FOUND,
    NOT_LOADED,
    OURS,
    SILENT,
    Child,
    Forks,
    Job,
    RunRecorder,
    limit,
    test_files,
)
from scripts.paths import ROOT


class NotLoaded(Exception):
    """A change that exchanging code does not make."""


@dataclass
class Collected:
    """Once pytest has collected all tests, serves the jobs; each child goes on as pytest."""

    forks: Forks
    recorder: RunRecorder = field(default_factory=RunRecorder)
    child: Child | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed:
            return None  # a file could not be collected; pytest says so
        functions = loaded_functions()
        gc.collect()
        gc.freeze()  # so that children do not copy what they only look at
        self.child = self.forks.serve()
        if self.child is None:
            return True
        self.recorder.alive = self.child.alive
        try:
            session.items = _chosen(session.items, self.child.job)
            if self.child.job.file:
                _change(self.child.job, functions)
        except (NotLoaded, SyntaxError):
            os._exit(NOT_LOADED)
        except BaseException:
            os._exit(OURS)
        return None


def serve_collected(forks: Forks) -> None:
    """Collect the tests of all jobs, then run each job in a child."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    plugin = Collected(forks)
    plugins = [plugin.recorder, plugin]
    # Captured in memory: a file would be shared by all children.
    status = int(pytest.main([*SILENT, "--capture=sys", *test_files(forks.jobs)], plugins=plugins))
    if plugin.child is not None:
        try:
            plugin.recorder.keep(plugin.child.folder)
        finally:
            os._exit(status)


def loaded_functions() -> dict[str, list[FunctionType]]:
    """All functions of the checkout that there are now, by the file that they were read from."""
    found: dict[str, list[FunctionType]] = {}
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename.startswith(f"{ROOT}/"):
            found.setdefault(one.__code__.co_filename, []).append(one)
    return found


def _chosen(items: list[pytest.Item], job: Job) -> list[pytest.Item]:
    by_name = {item.nodeid: item for item in items}
    if not job.tests or not by_name.keys() >= set(job.tests):
        os._exit(NONE_FOUND)
    chosen = [by_name[name] for name in job.tests]
    limit(chosen, job.test_limits_s)
    return chosen


def _change(job: Job, functions: dict[str, list[FunctionType]]) -> None:
    path = ROOT / job.file
    before = path.read_text("utf-8")
    pairs = list(exchanged(before, job.source, str(path)))
    # A file that tests import themselves is not loaded yet.
    names = {str(path), str(path.resolve())}
    there = {id(one): one for name in names for one in functions.get(name, ())}
    exchange(list(there.values()), pairs)


def exchanged(before: str, after: str, name: str) -> Iterator[tuple[CodeType, CodeType]]:
    """Of two texts of a module, the code of the functions that differ.

    Raises
    ------
    NotLoaded
        When something else differs too: what importing the module runs.
    """
    old, new = (compile(text, name, "exec", dont_inherit=True) for text in (before, after))
    yield from _differing(old, new)


def exchange(functions: list[FunctionType], pairs: list[tuple[CodeType, CodeType]]) -> None:
    """Give all functions that have the first code of a pair the second.

    Raises
    ------
    NotLoaded
        When there is no function of the outermost code that differs, or it can't take the other.
    """
    for number, (old, new) in enumerate(pairs):
        ours = [one for one in functions if _is_same(one.__code__, old)]
        if not ours and not number:
            raise NotLoaded(old.co_qualname)
        for one in ours:
            try:
                one.__code__ = new
            except ValueError as error:  # it closes over other variables
                raise NotLoaded(old.co_qualname) from error


def _differing(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The pairs that differ, each before those inside it; those inside may live on their own."""
    nested = list(zip(_nested(old), _nested(new), strict=False))
    is_same = _own(old) == _own(new) and len(_nested(old)) == len(_nested(new))
    if not old.co_flags & CO_OPTIMIZED:
        if not is_same:
            raise NotLoaded(old.co_qualname)
    elif not is_same or any(_deep(one) != _deep(other) for one, other in nested):
        yield old, new
    for one, other in nested:
        yield from _differing(one, other)


def _deep(code: CodeType) -> tuple[object, ...]:
    return (_own(code), tuple(_deep(one) for one in _nested(code)))


def _own(code: CodeType) -> tuple[object, ...]:
    """What it does, without where it stands."""
    constants = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return (
        code.co_code, code.co_exceptiontable, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_flags, code.co_argcount, code.co_kwonlyargcount, constants,
    )  # fmt: skip


def _nested(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _is_same(loaded: CodeType, code: CodeType) -> bool:
    places = [(one.co_qualname, one.co_firstlineno) for one in (loaded, code)]
    return places[0] == places[1] and _own(loaded) == _own(code)
