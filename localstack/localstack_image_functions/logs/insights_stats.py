"""`stats` of Logs Insights: figures over all events, or over each group of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localstack_image_functions.logs.conditions import number_of
from localstack_image_functions.logs.errors import InvalidInsightsQuery
from localstack_image_functions.logs.insights_expressions import (
    Expression,
    Reader,
    expression,
    name_of,
)

Row = dict[str, Any]
_NUMBERS: dict[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "avg": statistics.fmean,
    "min": min,
    "max": max,
    "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else 0.0,
    "median": statistics.median,
}
_VALUES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "count_distinct": lambda values: len({str(value) for value in values}),
    "earliest": lambda values: values[-1],
    "latest": lambda values: values[0],
}
KNOWN = ", ".join((*_NUMBERS, *_VALUES, "pct"))


@dataclass(frozen=True)
class Aggregation:
    """`figure` of what `value` is in each event; None counts all events."""

    name: str
    value: Expression | None
    figure: Callable[[list[Any]], Any]
    of_numbers: bool

    def of(self, rows: list[Row]) -> Any:
        if self.value is None:
            return len(rows)
        values = [one for row in rows if (one := self.value(row)) is not None]
        if self.of_numbers:
            values = [number for one in values if (number := number_of(one)) is not None]
        if not values and not self.name.startswith("count"):
            return None
        return self.figure(values)


def aggregation(reader: Reader) -> Aggregation:
    """Read `count(*) as n`, `pct(@duration, 95)` and the like.

    Raises
    ------
    InvalidInsightsQuery
        When it can't be read, or is a function that is not calculated here.
    """
    before = reader.remaining()
    word = reader.take("name").text.lower()
    reader.need("(")
    value: Expression | None = None
    if not reader.takes("*") and not (word == "count" and reader.takes(")")):
        value = expression(reader)
    percent = 0.0
    if reader.takes(","):
        percent = float(reader.take("number").text)
    reader.takes(")")
    name = before.removesuffix(reader.remaining()).strip().replace(" ", "")
    if reader.takes("as"):
        name = name_of(reader.take("name"))
    if word == "pct":
        return Aggregation(name, value, lambda values: _percentile(values, percent), True)
    if word in _NUMBERS:
        return Aggregation(name, value, _NUMBERS[word], True)
    if word in _VALUES:
        return Aggregation(name, value, _VALUES[word], False)
    raise InvalidInsightsQuery(f"{word}() is not calculated here; {KNOWN} are")


def grouped(
    rows: list[Row], wanted: list[Aggregation], groups: list[tuple[str, Expression]]
) -> list[Row]:
    """A row for each group, those with most events first."""
    found: dict[str, tuple[Row, list[Row]]] = {}
    for row in rows:
        key = {name: value(row) for name, value in groups}
        found.setdefault(repr(key), (key, []))[1].append(row)
    if not groups and not found:
        found[""] = ({}, [])
    ordered = sorted(found.values(), key=lambda one: -len(one[1]))
    return [{**key, **{one.name: one.of(members) for one in wanted}} for key, members in ordered]


def _percentile(values: list[float], percent: float) -> float:
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]
