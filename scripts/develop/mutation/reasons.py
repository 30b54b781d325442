"""Why some changes live: `reasons.yaml`.

Those that change nothing are `equal` and count neither way. Those that are `left` count against
the score, and the report says their reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.develop.mutation.changes import Change
from scripts.develop.mutation.measuring import Tried
from scripts.errors import LabError

FILE = Path(__file__).parent / "reasons.yaml"


class BadEntry(LabError):
    """An entry of `reasons.yaml` that can't be read."""


@dataclass(frozen=True)
class Reason:
    """Why a change lives, or (without `before` and `after`) why all of a function's or file's do.
    Named by what is changed and not by its line's number."""

    file: str
    where: str
    before: str
    after: str
    why: str
    is_equal: bool

    @property
    def is_of_one(self) -> bool:
        return bool(self.before)

    def covers(self, change: Change) -> bool:
        if self.is_of_one:
            return change.key == (self.file, self.where, self.before, self.after)
        return change.file == self.file and self.where in ("", change.where)

    def __str__(self) -> str:
        what = f": {self.before} ▸ {self.after}" if self.is_of_one else ""
        return f"{self.file} {self.where}{what}"


def read_reasons(file: Path = FILE) -> list[Reason]:
    """The entries of the file, those of single changes first.

    Raises
    ------
    BadEntry
        When one lacks a field, most of all its reason.
    """
    entries = yaml.safe_load(file.read_text("utf-8")) or {}
    reasons = [_reason(path, one) for path, listed in entries.items() for one in listed]
    return sorted(reasons, key=lambda reason: (not reason.is_of_one, not reason.where))


def _reason(path: str, entry: dict[str, object]) -> Reason:
    names = ("in", "before", "after", "equal", "left")
    where, before, after, equal, left = (str(entry.get(name) or "") for name in names)
    if bool(equal) == bool(left) or bool(before) != bool(after):
        raise BadEntry(f"{path}: {entry!r:.200} needs before, after and one reason")
    if equal and not before:
        raise BadEntry(f"{path}: {entry!r:.200}: only single changes are equal")
    return Reason(path, where, before, after, equal or left, bool(equal))


def reason_of(change: Change, reasons: Iterable[Reason]) -> Reason | None:
    return next((reason for reason in reasons if reason.covers(change)), None)


def stale(reasons: Iterable[Reason], there: Iterable[Change], tried: Iterable[Tried]) -> list[str]:
    """What is wrong with the list: reasons for changes that can't be made (any more), and for
    changes that a test notices. `there` are all changes of the files that were looked at."""
    possible: dict[str, list[Change]] = {}
    for change in there:
        possible.setdefault(change.file, []).append(change)
    statuses: dict[tuple[str, str, str, str], set[str]] = {}  # lines may be alike in a function
    for one in tried:
        statuses.setdefault(one.change.key, set()).add(one.status)
    faults = []
    for reason in reasons:
        covered = [one for one in possible.get(reason.file, ()) if reason.covers(one)]
        if reason.file in possible and not covered:
            faults.append(f"{reason} is no change of that file any more")
        elif covered and all(statuses.get(one.key) == {"killed"} for one in covered):
            faults.append(f"{reason} is noticed by a test, so it needs no reason")
    return faults
