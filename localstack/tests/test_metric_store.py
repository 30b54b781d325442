"""The store of metrics: what it keeps for how long, and what it says has changed."""

from __future__ import annotations

import json

import pytest

from localstack_image_functions.metrics.distribution import merged
from localstack_image_functions.metrics.store import (
    HOUR_S,
    KEPT_S,
    Metric,
    MetricStore,
    Owner,
)

OWNER = Owner("000000000000", "us-east-1")
CLIPS = Metric.of("lab", "clips", {"Device": "pi"})
START = 1_800_000_000


class Clock:
    now = float(START)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def everything(store: MetricStore) -> list:
    return [(metric, second, v.count, v.total) for _, metric, second, v in store.seconds()]


def copy_of(store: MetricStore, seconds: set[int]) -> dict[int, list]:
    """As rows on disk: through JSON."""
    return {second: json.loads(json.dumps(store.at(second))) for second in seconds}


def test_what_is_kept_of_each_changed_second_makes_the_same_store(clock: Clock) -> None:
    store = MetricStore(clock)
    for second in range(3):
        clock.now = START + second
        store.add(OWNER, CLIPS, 1.5, "Count")
        store.add(OWNER, CLIPS, 2.5, None)
        store.add_set(OWNER, Metric("lab", "set"), (3, 6, 1, 3), "Seconds")
    rows = copy_of(store, store.take_changed())
    assert store.take_changed() == set()

    other = MetricStore(clock)
    for second, kept in rows.items():
        other.put_back(second, kept)

    assert everything(other) == everything(store)
    assert other.units(OWNER, CLIPS) == ["Count", None]
    window = other.periods(OWNER, CLIPS, START, START + 60, 60)
    assert window[START].statistic("p50") == 2.0
    assert other.take_changed() == set()


def test_old_seconds_are_put_together_and_their_rows_follow(clock: Clock) -> None:
    """Rows of what was kept before must not bring back what has been merged since."""
    store = MetricStore(clock)
    rows: dict[int, list] = {}
    for second in range(0, 120, 7):
        clock.now = START + second
        store.add(OWNER, CLIPS, 1.0)
    rows |= copy_of(store, store.take_changed())
    clock.now = START + HOUR_S
    store.tidy()
    rows |= copy_of(store, store.take_changed())

    minutes = {second: count for _, second, count, _ in everything(store)}
    assert minutes == {START - START % 60: 9, START - START % 60 + 60: 9}
    kept = {second: sum(one[2][0] for one in values) for second, values in rows.items() if values}
    assert kept == minutes


def test_what_is_too_old_goes_with_its_row(clock: Clock) -> None:
    store = MetricStore(clock)
    store.add(OWNER, CLIPS, 1.0)
    store.take_changed()
    clock.now = START + KEPT_S + 1
    store.tidy()
    (second,) = store.take_changed()
    assert (second, store.at(second), everything(store)) == (START, [], [])


def test_a_day_of_clips_takes_little(clock: Clock) -> None:
    """Two clips a second for a day: entries of minutes, and of a quarter of an hour's seconds."""
    store = MetricStore(clock)
    for second in range(0, 24 * HOUR_S):
        clock.now = START + second
        store.add(OWNER, CLIPS, 1.0)
    assert len(everything(store)) < 24 * 60 + 30 * 60


def test_two_weeks_of_different_values_take_little(clock: Clock) -> None:
    """Durations differ in every clip: of old ones two digits are told apart, in every hour."""
    store = MetricStore(clock)
    for number in range(14 * 24 * 30):
        clock.now = START + number * 120
        for value in (80.0, 100.0 + number % 97 + number % 89 / 100):
            store.add(OWNER, CLIPS, value)
    kept = [values for _, _, _, values in store.seconds()]
    assert len(kept) < 1200
    assert sum(len(one.values) for one in kept) < 10_000
    assert sum(one.count for one in kept) == 14 * 24 * 60
    whole = merged(kept)
    assert whole.statistic("Maximum") > 196
    assert whole.statistic("p25") == 80
    assert whole.statistic("p75") == pytest.approx(148, rel=0.05)
