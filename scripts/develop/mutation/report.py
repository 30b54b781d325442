"""What a measurement says: per folder and file, and every survivor, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scripts.develop.mutation.measuring import Tried
from scripts.develop.mutation.places import FLOOR
from scripts.develop.mutation.reasons import Reason

UNNOTICED = ("survived", "untested")


@dataclass
class Tally:
    """How many changes ended how, and how many of those unnoticed nobody gave a reason for. `equal`
    ones count neither for nor against."""

    counts: Counter[str] = field(default_factory=Counter)
    without_reason: int = 0

    def add(self, status: str) -> None:
        self.counts[status] += 1

    @property
    def score(self) -> float | None:
        """Percent noticed of those that ran and could be; None where there were none."""
        killed = self.counts["killed"]
        asked = killed + sum(self.counts[one] for one in UNNOTICED)
        return 100 * killed / asked if asked else None

    @property
    def score_without_reasons(self) -> float | None:
        """The same of those that nobody gave a reason for: of one file's few changes, those that
        have one may be the half."""
        asked = self.counts["killed"] + self.without_reason
        return 100 * self.counts["killed"] / asked if asked else None

    def as_json(self) -> dict[str, Any]:
        names = ("killed", *UNNOTICED, "equal", "not run")
        score = self.score
        return {
            "changes": sum(self.counts.values()),
            **{name.replace(" ", "_"): self.counts[name] for name in names},
            "without_reason": self.without_reason,
            "score": None if score is None else round(score, 1),
        }


@dataclass
class MutationReport:
    """The places' tallies, and what was not noticed."""

    places: dict[str, Tally] = field(default_factory=dict)
    files: dict[str, Tally] = field(default_factory=dict)
    survivors: list[tuple[Tried, str]] = field(default_factory=list)  # each with its reason
    faults: list[str] = field(default_factory=list)  # of the list of reasons

    def add(self, place: str, tried: Tried, reason: Reason | None) -> None:
        is_excused = reason is not None and reason.is_equal and tried.status in UNNOTICED
        status = "equal" if is_excused else tried.status
        of_place = self.places.setdefault(place, Tally())
        of_file = self.files.setdefault(tried.change.file, Tally())
        for tally in (of_place, of_file):
            tally.add(status)
            tally.without_reason += status in UNNOTICED and reason is None
        if status in UNNOTICED:
            self.survivors.append((tried, reason.why if reason else ""))

    def too_low(self, *, is_of_changed_files: bool) -> list[str]:
        """The places of which tests notice too little."""
        scores = {
            name: tally.score_without_reasons if is_of_changed_files else tally.score
            for name, tally in self.places.items()
        }
        return [name for name, score in scores.items() if score is not None and score < FLOOR]

    def as_json(self) -> dict[str, Any]:
        return {
            "floor": FLOOR,
            "places": {name: tally.as_json() for name, tally in self.places.items()},
            "files": {name: tally.as_json() for name, tally in sorted(self.files.items())},
            "survivors": [_survivor(one, why) for one, why in self._sorted()],
            "without_reason": self.without_reason,
            "faults_of_reasons": self.faults,
        }

    def as_text(self) -> str:
        lines = [f"{'':52} changes  killed  survived  untested  equal  not run   score"]
        for name, tally in sorted(self.files.items()):
            lines.append(_row(f"  {name}", tally))
        lines += ["", *(_row(name, tally) for name, tally in self.places.items())]
        if self.survivors:
            without = f", {self.without_reason} without a reason" if self.without_reason else ""
            lines += ["", f"not noticed by any test{without}:"]
        for one, why in self._sorted():
            what = f"{_flat(one.change.before)}  ▸  {_flat(one.change.after)}"
            lines += [f"  {one.change.file}:{one.change.line} {one.change.where}", f"      {what}"]
            lines += [f"      because: {why}"] if why else []
        return "\n".join(lines)

    @property
    def without_reason(self) -> int:
        return sum(not why for _, why in self.survivors)

    def _sorted(self) -> list[tuple[Tried, str]]:
        return sorted(self.survivors, key=lambda one: (one[0].change.file, one[0].change.line))


def _row(name: str, tally: Tally) -> str:
    of = tally.as_json()
    score = "–" if of["score"] is None else f"{of['score']:.1f} %"
    name = name if len(name) <= 52 else f"  …{name[-49:]}"
    return (
        f"{name:52} {of['changes']:7} {of['killed']:7} {of['survived']:9} {of['untested']:9} "
        f"{of['equal']:6} {of['not_run']:8} {score:>7}"
    )


def _survivor(one: Tried, why: str) -> dict[str, Any]:
    change = one.change
    return {
        "file": change.file, "line": change.line, "in": change.where, "before": change.before,
        "after": change.after, "status": one.status, "reason": why,
    }  # fmt: skip


def _flat(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 110 else f"{flat[:109]}…"
