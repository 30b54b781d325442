"""All metrics of the emulator, in memory: a dictionary entry for each second that has values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localstack_image_functions.metrics.distribution import Distribution, merged

HOUR_S = 3600
DAY_S = 24 * HOUR_S
TIERS = ((HOUR_S // 4, 60), (3 * HOUR_S, 300), (2 * DAY_S, HOUR_S))
"""Older than this, values are kept for periods of this length only.

AWS keeps seconds for three hours, minutes for 15 days, five of them for 63: in memory, of a lab
that a camera keeps busy, that would be more than all the rest of the emulator within days.
"""
KEPT_S = 15 * DAY_S
ROUGH_FROM_S = 300
"""Of periods this long values are told apart by two digits: percentiles are 5 % off at most."""
TIDY_EVERY_S = 600.0
Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Owner:
    """Whose metrics: an account in a region."""

    account: str
    region: str


@dataclass(frozen=True)
class Metric:
    """A metric's whole name. `dimensions` are sorted: other ones are another metric."""

    namespace: str
    name: str
    dimensions: Dimensions = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        return cls(namespace, name, tuple(sorted(dimensions.items())))


Kept = list[Any]
"""[[account, region, namespace, name, unit], dimensions, figures, [[value, count], …]]."""
_Seconds = dict[int, Distribution]


class MetricStore:
    """Takes values from any thread; nothing waits for longer than a dictionary takes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._series: dict[tuple[Owner, Metric], dict[str | None, _Seconds]] = {}
        self._tidied = clock()
        self._changed: set[int] = set()

    def add(
        self,
        owner: Owner,
        metric: Metric,
        value: float,
        unit: str | None = "Count",
        count: float = 1.0,
        at: float | None = None,
    ) -> None:
        """Add a value `count` times, now or `at` a Unix time."""
        with self._lock:
            self._second(owner, metric, unit, at).add(value, count)

    def add_set(
        self,
        owner: Owner,
        metric: Metric,
        figures: tuple[float, float, float, float],
        unit: str | None,
        at: float | None = None,
    ) -> None:
        """Add a statistic set: count, sum, minimum, maximum; `at` in Unix seconds, None: now."""
        with self._lock:
            self._second(owner, metric, unit, at).add_set(*figures)

    def units(self, owner: Owner, metric: Metric) -> list[str | None]:
        with self._lock:
            return list(self._series.get((owner, metric), {}))

    def periods(
        self,
        owner: Owner,
        metric: Metric,
        start: int,
        end: int,
        period: int,
        unit: str | None = "any",
    ) -> dict[int, Distribution]:
        """Values from `start` up to `end`, by the beginning of each period that has some.

        `unit` None takes only values that were put without one, `any` takes all.
        """
        found: dict[int, list[Distribution]] = {}
        with self._lock:
            for kind, seconds in self._series.get((owner, metric), {}).items():
                if unit not in ("any", kind):
                    continue
                for second, values in seconds.items():
                    if start <= second < end:
                        begin = start + (second - start) // period * period
                        found.setdefault(begin, []).append(values)
            return {begin: merged(found[begin]) for begin in sorted(found)}

    def metrics(self, owner: Owner) -> list[Metric]:
        """All metrics of an account in a region, in the order in which they appeared."""
        with self._lock:
            return [metric for one, metric in self._series if one == owner]

    def seconds(self) -> Iterator[tuple[Owner, Metric, int, Distribution]]:
        """Everything, as it was at one moment."""
        with self._lock:
            rows = [
                (owner, metric, second, merged([values]))
                for (owner, metric), units in self._series.items()
                for seconds in units.values()
                for second, values in seconds.items()
            ]
        yield from rows

    def take_changed(self) -> set[int]:
        """The seconds whose values have changed, or gone, since this was last asked."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def at(self, second: int) -> list[Kept]:
        """All values of a second as plain data, for `put_back`."""
        with self._lock:
            return [
                [
                    [owner.account, owner.region, metric.namespace, metric.name, unit],
                    metric.dimensions,
                    [values.count, values.total, values.smallest, values.largest],
                    list(values.values.items()),
                ]
                for (owner, metric), units in self._series.items()
                for unit, seconds in units.items()
                if (values := seconds.get(second))
            ]

    def put_back(self, second: int, kept: list[Kept]) -> None:
        """Take what `at` gave of the Unix `second`, in this process or another."""
        with self._lock:
            for (account, region, namespace, name, unit), dimensions, figures, values in kept:
                metric = Metric(namespace, name, tuple((key, value) for key, value in dimensions))
                seconds = self._series.setdefault((Owner(account, region), metric), {})
                count, total, smallest, largest = figures
                seconds.setdefault(unit, {})[second] = Distribution(
                    count, total, smallest, largest, dict(values)
                )

    def clear(self) -> None:
        with self._lock:
            for units in self._series.values():
                self._changed.update(*units.values())
            self._series.clear()

    def tidy(self) -> None:
        """Put old seconds together as AWS does; forget what is older than it keeps."""
        with self._lock:
            self._tidy(self._clock())

    def _second(
        self, owner: Owner, metric: Metric, unit: str | None, at: float | None
    ) -> Distribution:
        now = self._clock()
        if now - self._tidied > TIDY_EVERY_S:
            self._tidy(now)
        seconds = self._series.setdefault((owner, metric), {}).setdefault(unit, {})
        second = int(now if at is None else at)
        self._changed.add(second)
        return seconds.setdefault(second, Distribution())

    def _tidy(self, now: float) -> None:
        self._tidied = now
        for key, units in list(self._series.items()):
            for unit, seconds in list(units.items()):
                units[unit], changed = _coarser(seconds, now)
                self._changed |= changed
                if not units[unit]:
                    del units[unit]
            if not units:
                del self._series[key]


def _coarser(seconds: _Seconds, now: float) -> tuple[_Seconds, set[int]]:
    """The seconds as they are to be kept, and those whose values are others now."""
    kept: _Seconds = {}
    changed: set[int] = set()
    for second, values in seconds.items():
        age = now - second
        if age > KEPT_S:
            changed.add(second)
            continue
        length = max((length for older, length in TIERS if age > older), default=1)
        begin = second - second % length
        if begin == second and begin not in kept:
            kept[begin] = values
        else:
            together = kept.setdefault(begin, Distribution())
            together.merge(values)
            if length >= ROUGH_FROM_S:
                together.tell_apart(2)
            changed |= {begin, second}
    return kept, changed


METRICS = MetricStore()
"""The emulator's."""
