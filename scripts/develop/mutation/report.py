"""What a measurement says: per folder and file, and every survivor, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scripts.develop.mutation.measuring import Tried
from scripts.develop.mutation.places import FLOOR

UNNOTICED = ("survived", "untested")


@dataclass
class Tally:
    """How many changes ended how. `equal` ones count neither for nor against."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: str) -> None:
        self.counts[verdict] += 1

    @property
    def score(self) -> float | None:
        """Percent noticed of those that ran and could be; None where there were none."""
        killed = self.counts["killed"]
        asked = killed + sum(self.counts[one] for one in UNNOTICED)
        return 100 * killed / asked if asked else None

    def as_json(self) -> dict[str, Any]:
        names = ("killed", *UNNOTICED, "equal", "not run")
        score = self.score
        return {
            "changes": sum(self.counts.values()),
            **{name.replace(" ", "_"): self.counts[name] for name in names},
            "score": None if score is None else round(score, 1),
        }


@dataclass
class MutationReport:
    """The places' tallies, and what was not noticed."""

    places: dict[str, Tally] = field(default_factory=dict)
    files: dict[str, Tally] = field(default_factory=dict)
    survivors: list[Tried] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # of the list of equal changes

    def add(self, place: str, tried: Tried, *, is_equal: bool) -> None:
        is_excused = is_equal and tried.verdict in UNNOTICED
        verdict = "equal" if is_excused else tried.verdict
        self.places.setdefault(place, Tally()).add(verdict)
        self.files.setdefault(tried.change.file, Tally()).add(verdict)
        if verdict in UNNOTICED:
            self.survivors.append(tried)

    @property
    def too_low(self) -> list[str]:
        scores = {name: tally.score for name, tally in self.places.items()}
        return [name for name, score in scores.items() if score is not None and score < FLOOR]

    def as_json(self) -> dict[str, Any]:
        return {
            "floor": FLOOR,
            "places": {name: tally.as_json() for name, tally in self.places.items()},
            "files": {name: tally.as_json() for name, tally in sorted(self.files.items())},
            "survivors": [_survivor(one) for one in self._sorted()],
            "faults_of_equal_list": self.faults,
        }

    def as_text(self) -> str:
        lines = [f"{'':52} changes  killed  survived  untested  equal  not run   score"]
        for name, tally in sorted(self.files.items()):
            lines.append(_row(f"  {name}", tally))
        lines += ["", *(_row(name, tally) for name, tally in self.places.items())]
        if self.survivors:
            lines += ["", "not noticed by any test:"]
        for one in self._sorted():
            what = f"{_flat(one.change.before)}  ▸  {_flat(one.change.after)}"
            lines += [f"  {one.change.file}:{one.change.line} {one.change.where}", f"      {what}"]
        return "\n".join(lines)

    def _sorted(self) -> list[Tried]:
        return sorted(self.survivors, key=lambda one: (one.change.file, one.change.line))


def _row(name: str, tally: Tally) -> str:
    of = tally.as_json()
    score = "–" if of["score"] is None else f"{of['score']:.1f} %"
    name = name if len(name) <= 52 else f"  …{name[-49:]}"
    return (
        f"{name:52} {of['changes']:7} {of['killed']:7} {of['survived']:9} {of['untested']:9} "
        f"{of['equal']:6} {of['not_run']:8} {score:>7}"
    )


def _survivor(one: Tried) -> dict[str, Any]:
    change = one.change
    return {
        "file": change.file, "line": change.line, "in": change.where, "before": change.before,
        "after": change.after, "verdict": one.verdict,
    }  # fmt: skip


def _flat(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 110 else f"{flat[:109]}…"
