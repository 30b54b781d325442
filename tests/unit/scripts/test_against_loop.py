"""The loop against an earlier one: which rate a side sustains."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench import against_loop
from scripts.console import Progress


def told(p95_ms: float) -> dict[str, float]:
    return {"p50_ms": p95_ms / 2, "p95_ms": p95_ms}


class Sides:
    """In place of two labs: p95 grows with the rate, and the earlier one's four times as fast."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []

    def play(self, side: against_loop.Side, speed: float = 1.0) -> dict[str, float]:
        self.calls.append((side.name, speed))
        return told(speed * (100 if side.name == "this checkout" else 400))


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Sides:
    made = Sides()
    monkeypatch.setattr(against_loop.Side, "play", lambda side, *speed: made.play(side, *speed))
    monkeypatch.setattr(against_loop.Side, "make", lambda *_, **__: None)
    monkeypatch.setattr(against_loop, "checkout", lambda *_: Path())
    return made


def test_each_rate_is_played_by_turns_and_the_highest_in_time_counts(sides: Sides) -> None:
    facts = against_loop.measure_sustained("abc", [8, 4, 20], Progress(quiet=True))
    assert facts["clips_per_s"] == {"this checkout": 20, "abc": 4}
    assert facts["ratio"] == 5
    assert sides.calls[2:] == [
        ("abc", 2), ("this checkout", 2), ("this checkout", 4), ("abc", 4),
        ("abc", 10), ("this checkout", 10),
    ]  # fmt: skip
    assert "20 against 4" in against_loop.sustained_in_words(facts)


@pytest.mark.usefixtures("sides")
def test_a_side_that_sustains_nothing_has_no_ratio() -> None:
    facts = against_loop.measure_sustained("abc", [6], Progress(quiet=True))
    assert (facts["clips_per_s"]["abc"], facts["ratio"]) == (0, None)


def test_a_rate_in_time_beyond_one_that_is_late_does_not_count() -> None:
    rows = {"4": told(1000), "5": told(1001), "6": told(300)}
    assert against_loop._sustained(rows) == 4
