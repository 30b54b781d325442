"""The values of one metric in one period, and the statistics of them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_VALUES = 1000
"""Different values that are told apart; of more, three digits are kept."""
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
PERCENTILE = re.compile(r"p(\d{1,2}(\.\d{1,10})?|100)")


@dataclass(slots=True)
class Distribution:
    """Values with their counts, their `total`, and the `smallest` and `largest` of them, in the
    metric's unit. A statistic set (`add_set`) has no values to tell apart."""

    count: float = 0.0
    total: float = 0.0
    smallest: float = math.inf
    largest: float = -math.inf
    values: dict[float, float] = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        self._widen(count, value * count, value, value)
        self.values[value] = self.values.get(value, 0.0) + count
        self._bound()

    def add_set(self, count: float, total: float, smallest: float, largest: float) -> None:
        """Add what is known of `count` values only by these four figures."""
        if count and smallest == largest:
            self.add(smallest, count)
        else:
            self._widen(count, total, smallest, largest)

    def merge(self, other: Distribution) -> None:
        self._widen(other.count, other.total, other.smallest, other.largest)
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count
        self._bound()

    def statistic(self, name: str) -> float | None:
        """A statistic by CloudWatch's name; None where it is not known.

        Percentiles are not known of statistic sets, as on AWS.
        """
        if not self.count:
            return None
        simple = {
            "SampleCount": self.count,
            "Sum": self.total,
            "Average": self.total / self.count,
            "Minimum": self.smallest,
            "Maximum": self.largest,
        }
        return simple[name] if name in simple else self._percentile(float(name[1:]))

    def _percentile(self, percent: float) -> float | None:
        """Of all values in their order, the one at `percent` of the way from the first to the last;
        between two of them, as far along. AWS does not say how it does this."""
        known = sum(self.values.values())
        if known < self.count:
            return None
        place, passed = max(known - 1, 0) * percent / 100, 0.0
        below = self.smallest
        for value in sorted(self.values):
            # Of this value are the places from `passed` to the one before `after`.
            after = passed + self.values[value]
            if place < passed:
                return below + (value - below) * (place - passed + 1)
            if place <= after - 1:
                return value
            below, passed = value, after
        return self.largest

    def _widen(self, count: float, total: float, smallest: float, largest: float) -> None:
        self.count += count
        self.total += total
        self.smallest = min(self.smallest, smallest)
        self.largest = max(self.largest, largest)

    def _bound(self) -> None:
        if len(self.values) > MOST_VALUES:
            self.tell_apart(3)

    def tell_apart(self, digits: int) -> None:
        """Keep so many digits of each value."""
        rounded: dict[float, float] = {}
        for value, count in self.values.items():
            about = float(f"{value:.{digits}g}")
            rounded[about] = rounded.get(about, 0.0) + count
        self.values = rounded


def is_statistic(name: str) -> bool:
    """Whether this is a statistic that can be had here."""
    return name in STATISTICS or PERCENTILE.fullmatch(name) is not None


def merged(parts: Iterable[Distribution]) -> Distribution:
    """All of these as one."""
    whole = Distribution()
    for part in parts:
        whole.merge(part)
    return whole
