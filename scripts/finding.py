"""One line of what `make doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingLevel(StrEnum):
    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the report. `hint` says what to do, where something can be done."""

    what: str
    level: FindingLevel
    fact: str
    hint: str = ""
