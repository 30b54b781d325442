"""How the lab's commands speak: progress for people, one object for machines, clean errors."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from contract.printable import json_text, printable, printable_lines
from scripts import progress_bar
from scripts.errors import LabError

Item = TypeVar("Item")


class Progress:
    """Lines with the time since the start, on stderr, so that stdout stays for results."""

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        if not self._quiet:
            elapsed = time.monotonic() - self._start
            print(f"facelab: [{elapsed:5.1f} s] {printable(text)}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, what: str, total: float) -> Iterator[progress_bar.Step]:
        """A bar of `total` pieces where a person looks on; call what it gives with how many more
        are done. What is said meanwhile stands above it."""
        if self._quiet or not progress_bar.is_watched():
            yield lambda done: None
            return
        with progress_bar.counted(printable(what), total) as step:
            yield step

    def each(self, items: Iterable[Item], what: str, total: float) -> Iterator[Item]:
        """`items`, with such a bar."""
        with self.bar(what, total) as step:
            for item in items:
                yield item
                step(1)

    @contextmanager
    def usual(self, what: str, name: str) -> Iterator[None]:
        """A bar for what can't be counted: as long as `name` took the last time."""
        is_shown = not self._quiet and progress_bar.is_watched()
        with progress_bar.usual(printable(what), name, is_shown=is_shown):
            yield


class NotConfirmed(LabError):
    """Nobody said yes."""


def confirm(question: str, yes: bool) -> None:
    """Ask once.

    Raises
    ------
    NotConfirmed
        When the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("nothing was done: there is no terminal to ask at", "add ARGS=--yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotConfirmed("nothing was done")


def print_json(value: Any) -> None:
    """An object for machines, that does nothing to a person's terminal either."""
    print(json_text(value))


def print_lines(text: str) -> None:
    """What was found, for people; whatever it holds, it writes no lines of its own."""
    print(printable_lines(text), flush=True)


def log_text(message: str) -> str:
    """A function's log line for people. Lambda joins the lines of a traceback with carriage
    returns; they are indented, so that none passes for a line of its own."""
    return printable_lines(message.rstrip("\n").replace("\r", "\n    "))


_MAKE_ROOM = "make room there; `make doctor` looks at the disk"
_OF_THE_DISK = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EROFS: "FACELAB_STATE and FACELAB_SPOOL name other folders",
    errno.EACCES: "whose is it? A lab that once ran as root leaves files of root's",
}


def run_command(main: Callable[[], int]) -> None:
    """Run a command's `main` and exit; errors a person can mend are one line and a hint."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read has seen enough (`… | head`). What is left must not fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        understood = _understood(error)
        if understood is None:
            raise
        _complain(understood)
    sys.exit(1)


def _understood(error: Exception) -> LabError | None:
    """What a person can do about an error; None for one of the program's own."""
    if isinstance(error, LabError):
        return error
    from contract.clips import ContractError

    if isinstance(error, ContractError):
        return LabError(str(error))
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        where = error.filename2 or error.filename
        return LabError(
            f"{error.strerror}{f': {where}' if where else ''}", _OF_THE_DISK[error.errno]
        )
    docker = sys.modules.get("docker.errors")
    if docker is not None and isinstance(error, docker.DockerException):
        said = str(getattr(error, "explanation", None) or error)
        return LabError(
            f"Docker's engine: {said}",
            "`docker images` lists its images; `make doctor` looks at it",
        )
    # Loaded by whoever can fail so; to load it takes longer than to stop a lab.
    aws = sys.modules.get("botocore.exceptions")
    if aws is not None and isinstance(error, aws.BotoCoreError | aws.ClientError):
        from scripts.cloud_errors import explain

        return explain(error)
    return None


def _complain(error: LabError) -> None:
    # Line by line: some errors carry a program's last output.
    print("\n".join(map(printable, f"facelab: {error}".splitlines())), file=sys.stderr)
    if error.hint:
        print(f"  hint: {printable(error.hint)}", file=sys.stderr)
