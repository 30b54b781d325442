"""A bar on a terminal for what takes long: how much is done, and about how long it still takes.

What can be counted counts. What can't is expected to take as long as it took the last time on
this machine. Colors go with the terminal and with NO_COLOR, both by rich.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.paths import BUILD

if TYPE_CHECKING:
    from rich.console import Console

TOOK = BUILD / "took.json"
Step = Callable[[float], None]


def is_watched() -> bool:
    """Whether somebody looks at standard error, on a terminal that can move its cursor; who asks
    for JSON is a program."""
    is_asked_by_program = "--json" in sys.argv
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not is_asked_by_program


@contextmanager
def counted(what: str, total: float, console: Console | None = None) -> Iterator[Step]:
    """A bar of `total` pieces; call what it gives with how many more are done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("about"), TimeRemainingColumn(compact=True), TextColumn("left"),
    )  # fmt: skip
    console = console or Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.advance(task, done)


@contextmanager
def usual(
    what: str,
    name: str,
    *,
    is_shown: bool,
    at_first_s: float | None = None,
    console: Console | None = None,
    file: Path = TOOK,
) -> Iterator[None]:
    """A bar that takes as long as `name` took the last time (at first: about `at_first_s`); how
    long it takes is kept. Set-up, which makes what others need, gets by without rich."""
    began = time.monotonic()
    if is_shown:
        expected_s = _last_s(file, name) or at_first_s
        clock = _clock if find_spec("rich") else _plain_clock
        with clock(what, expected_s, console):
            yield
    else:
        yield
    _keep(file, name, time.monotonic() - began)


@contextmanager
def _clock(what: str, expected_s: float | None, console: Console | None) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    class Elapsed(BarColumn):
        """As full as the time that it is expected to take has gone by."""

        def render(self, task: Task) -> ProgressBar:
            passed_s = task.elapsed or 0.0
            is_late = expected_s is None or passed_s > expected_s
            return ProgressBar(
                total=expected_s, completed=passed_s, width=40, pulse=is_late,
                animation_time=task.get_time(),
            )  # fmt: skip

    class Seconds(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_passed(task.elapsed or 0.0, expected_s))

    columns = (TextColumn("{task.description}", markup=False), Elapsed(), Seconds())
    console = console or Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as shown:
        shown.add_task(what, total=None)
        yield


@contextmanager
def _plain_clock(what: str, expected_s: float | None, console: object = None) -> Iterator[None]:
    """The same in a line of plain text, written over itself."""
    began, ended = time.monotonic(), threading.Event()

    def tick() -> None:
        while not ended.wait(0.5):
            passed = _passed(time.monotonic() - began, expected_s)
            print(f"\r{what} {passed} ", end="", file=sys.stderr, flush=True)

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield
    finally:
        ended.set()
        ticking.join()
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _passed(seconds: float, expected_s: float | None) -> str:
    return f"{seconds:.0f}{f' of about {expected_s:.0f}' if expected_s else ''} s"


def _last_s(file: Path, name: str) -> float | None:
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return float(json.loads(file.read_text("utf-8")).get(name))
    return None


def _keep(file: Path, name: str, took_s: float) -> None:
    """What can't be kept is not worth an error."""
    with suppress(OSError, ValueError, TypeError):
        took = json.loads(file.read_text("utf-8")) if file.exists() else {}
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps({**took, name: round(took_s, 1)}) + "\n", "utf-8")
        part.replace(file)
