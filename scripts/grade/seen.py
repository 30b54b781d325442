"""What grading saw in the cloud: plain facts, from which the rubric makes points."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class AnsweredPiece:
    """What came of one piece. `right` and `pictures_right` were decided when it arrived.

    `said` is the name that was answered, "" where none was, None where nothing came.
    """

    name: str
    person: str
    said: str | None = None
    right: bool = False
    latency_s: float | None = None
    pictures: int = 0
    pictures_right: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class FunctionSeen:
    """A function as the cloud describes it; `trouble` says why it is not there or not ready."""

    name: str
    state: str = "missing"
    image: str = ""
    triggers: tuple[str, ...] = ()
    trouble: str = ""
    invocations: int = 0
    errors: int = 0
    duration_ms: float | None = None
    concurrency: int = 0
    cold_starts: int = 0

    @property
    def is_ready(self) -> bool:
        return self.state == "Active"


@dataclass(frozen=True)
class Seen:
    """Everything that was observed of one student. `at_first` says how many objects or messages a
    bucket or queue held before the workload, None where it was not there."""

    outcomes: Sequence[AnsweredPiece]
    functions: Mapping[str, FunctionSeen]
    at_first: Mapping[str, int | None] = field(default_factory=dict)
    took_s: float = 0.0
    limit: int = 0
    camera_clips: int = 0
    camera_trouble: str = ""
    account: str = ""

    @property
    def credited(self) -> float:
        """The share of pieces that came out right; 0 where one name was said of everybody."""
        if not self.outcomes or self.says_one_name:
            return 0.0
        return sum(one.right for one in self.outcomes) / len(self.outcomes)

    @property
    def says_one_name(self) -> bool:
        """Whether different people were all given one and the same name."""
        answered = [one for one in self.outcomes if one.said]
        said, people = {plain(str(one.said)) for one in answered}, {one.person for one in answered}
        return len(said) == 1 and len(people) > 1

    @property
    def latencies_s(self) -> list[float]:
        """Of right answers only: a wrong one is none the better for being quick."""
        return [one.latency_s for one in self.outcomes if one.right and one.latency_s is not None]


def plain(name: str) -> str:
    """A name without what people write in different ways: `Barack_Obama ` is `barack obama`."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return " ".join(re.findall(r"[a-z0-9]+", letters.encode("ascii", "ignore").decode()))


def named_in(text: str, names: Sequence[str]) -> list[str]:
    """Which of the names stand in a text."""
    words = f" {plain(text)} "
    return [name for name in names if f" {plain(name)} " in words]


def as_object(text: str) -> dict[str, object]:
    """A JSON object, or {} where it is none."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
