"""Changes that no test can notice, because they change nothing: `equal.yaml`, a reason for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.develop.mutation.changes import Change
from scripts.develop.mutation.measuring import Tried
from scripts.errors import LabError

FILE = Path(__file__).parent / "equal.yaml"


class BadEntry(LabError):
    """An entry of `equal.yaml` that can't be read."""


@dataclass(frozen=True)
class Equal:
    """One such change, named by what it changes and not by its line's number."""

    file: str
    where: str
    before: str
    after: str
    why: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return self.file, self.where, self.before, self.after

    def __str__(self) -> str:
        return f"{self.file} {self.where}: {self.before} ▸ {self.after}"


def read_equal(file: Path = FILE) -> list[Equal]:
    """The entries of the file.

    Raises
    ------
    BadEntry
        When one lacks a field, most of all its reason.
    """
    entries = []
    for path, listed in (yaml.safe_load(file.read_text("utf-8")) or {}).items():
        for one in listed:
            fields = {name: str(one.get(name) or "") for name in ("in", "before", "after", "why")}
            if not all(fields[name] for name in ("before", "after", "why")):
                raise BadEntry(f"{file.name}: {path}: {one!r:.200} needs before, after and why")
            entries.append(
                Equal(path, fields["in"], fields["before"], fields["after"], fields["why"])
            )
    return entries


def stale(entries: Iterable[Equal], there: Iterable[Change], tried: Iterable[Tried]) -> list[str]:
    """What is wrong with the list: entries of changes that can't be made (any more), and of
    changes that a test notices. `there` are all changes of the files that were looked at."""
    possible: dict[str, set[tuple[str, str, str, str]]] = {}
    for change in there:
        possible.setdefault(change.file, set()).add(change.identity)
    killed = {one.change.identity for one in tried if one.verdict == "killed"}
    faults = []
    for entry in entries:
        if entry.file in possible and entry.identity not in possible[entry.file]:
            faults.append(f"{entry} is no change of that file any more")
        elif entry.identity in killed:
            faults.append(f"{entry} is noticed by a test, so it is not equal")
    return faults
