"""What GetMetricData and GetMetricStatistics are asked, and the answers. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localstack_image_functions.metrics.distribution import STATISTICS, is_statistic
from localstack_image_functions.metrics.expressions import Series, evaluate
from localstack_image_functions.metrics.store import Metric, MetricStore, Owner

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
_Times = tuple[datetime, datetime]
MOST_QUERIES = 500
MOST_DATA_POINTS = 1440


class InvalidQuery(Exception):
    """A query that CloudWatch would refuse; `code` is its error code."""

    def __init__(self, message: str, code: str = "ValidationError") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Window:
    """From `start` up to `end`, in seconds; never empty."""

    start: int
    end: int

    @classmethod
    def of(cls, start: datetime, end: datetime, period: int) -> Window:
        """A request's times. The start is rounded down to what `period` (seconds) asks for, as
        CloudWatch does.

        Raises
        ------
        InvalidQuery
            When it does not end after its start.
        """
        first, last = _unix(start), _unix(end)
        if first >= last:
            raise InvalidQuery(
                "The parameter StartTime must be less than the parameter EndTime.",
                "InvalidParameterValue",
            )
        grain = period if period in (1, 5, 10, 30) else 60
        # The end is exclusive; what was counted within its second is after it.
        return cls(int(first) // grain * grain, max(int(last), int(first) + 1))

    def beginnings(self, period: int) -> list[int]:
        return list(range(self.start, self.end, period))


def metric_data(
    store: MetricStore, owner: Owner, queries: Sequence[Mapping[str, Any]], window: _Times
) -> list[tuple[str, str, Series]]:
    """Answer each query that returns data: its id, its label, its series.

    Raises
    ------
    InvalidQuery
        When an id, a statistic or a period is none, or expressions refer to each other in a circle.
    UnsupportedExpression
        When an expression is not calculated here.
    """
    _check_ids(queries)
    known: dict[str, Series] = {}
    for query in queries:
        if stat := query.get("MetricStat"):
            known[query["Id"]] = _series(store, owner, stat, window)
    period = max([_period(query) for query in queries], default=60)
    beginnings = Window.of(*window, period).beginnings(period)
    pending = [query for query in queries if query.get("Expression")]
    while pending:
        ready = [one for one in pending if not _named(one) & {p["Id"] for p in pending}]
        if not ready:
            raise InvalidQuery("Expressions refer to each other in a circle.")
        for query in ready:
            known[query["Id"]] = evaluate(query["Expression"], known, beginnings)
        pending = [one for one in pending if one not in ready]
    labels = _labels(queries)
    shown = [query for query in queries if query.get("ReturnData") is not False]
    return [(one["Id"], labels[one["Id"]], known[one["Id"]]) for one in shown]


def statistics(
    store: MetricStore,
    owner: Owner,
    metric: Metric,
    window: Window,
    period: int,
    names: Sequence[str],
    unit: str | None = None,
) -> list[dict[str, Any]]:
    """The data points of GetMetricStatistics, one for each `period` (seconds), those of each unit
    for themselves.

    Raises
    ------
    InvalidQuery
        When no statistic is asked for, an unknown one, or too many points.
    """
    if not names:
        raise InvalidQuery(
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
            "MissingParameter",
        )
    for name in names:
        _check_statistic(name)
    asked = len(window.beginnings(period))
    if asked > MOST_DATA_POINTS:
        raise InvalidQuery(
            f"You have requested up to {asked} datapoints, which exceeds the limit of "
            f"{MOST_DATA_POINTS}. You may reduce the datapoints requested by increasing Period, "
            "or decreasing the time range.",
            "InvalidParameterCombination",
        )
    points = []
    for one in [_unit(unit)] if unit else store.units(owner, metric):
        found = store.periods(owner, metric, window.start, window.end, period, one)
        for begin, values in found.items():
            figures = {name: values.statistic(name) for name in names}
            point: dict[str, Any] = {
                "Timestamp": datetime.fromtimestamp(begin, UTC),
                "Unit": one or "None",
            }
            point |= {name: value for name, value in figures.items() if name in STATISTICS}
            extended = {
                name: value
                for name, value in figures.items()
                if name not in STATISTICS and value is not None
            }
            points.append(point | ({"ExtendedStatistics": extended} if extended else {}))
    return points


def check_period(period: int) -> int:
    """A period that CloudWatch knows: 1, 5, 10, 30 or whole minutes.

    Raises
    ------
    InvalidQuery
        When it is another.
    """
    if period not in (1, 5, 10, 30) and (period < 60 or period % 60):
        raise InvalidQuery(
            f"The value {period} for parameter Period is invalid: "
            "it must be 1, 5, 10, 30 or a multiple of 60.",
            "InvalidParameterValue",
        )
    return period


def _series(store: MetricStore, owner: Owner, stat: Mapping[str, Any], times: _Times) -> Series:
    period = check_period(stat["Period"])
    _check_statistic(stat["Stat"])
    window = Window.of(*times, period)
    found = store.periods(
        owner, metric_of(stat["Metric"]), window.start, window.end, period, _unit(stat.get("Unit"))
    )
    values = {begin: part.statistic(stat["Stat"]) for begin, part in found.items()}
    return {begin: value for begin, value in values.items() if value is not None}


def metric_of(asked: Mapping[str, Any]) -> Metric:
    """A metric as the API names it."""
    dimensions = {one["Name"]: one["Value"] for one in asked.get("Dimensions") or ()}
    return Metric.of(asked.get("Namespace", ""), asked.get("MetricName", ""), dimensions)


def _unit(name: str | None) -> str | None:
    return "any" if name is None else None if name == "None" else name


def _period(query: Mapping[str, Any]) -> int:
    return int((query.get("MetricStat") or {}).get("Period") or query.get("Period") or 60)


def _named(query: Mapping[str, Any]) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", query["Expression"])) - {query["Id"]}


def _check_ids(queries: Sequence[Mapping[str, Any]]) -> None:
    if not 0 < len(queries) <= MOST_QUERIES:
        raise InvalidQuery(f"MetricDataQueries must have 1 to {MOST_QUERIES} members.")
    ids = [str(query.get("Id") or "") for query in queries]
    for one in ids:
        if not _ID.fullmatch(one):
            raise InvalidQuery(
                f"The value {one} for parameter Id is not matching the expected pattern "
                "^[a-z][a-zA-Z0-9_]*$."
            )
    if len(set(ids)) < len(ids):
        raise InvalidQuery("The values for parameter id in MetricDataQueries are not unique.")
    for query in queries:
        if bool(query.get("MetricStat")) == bool(query.get("Expression")):
            raise InvalidQuery(
                f"Query {query['Id']} must have either MetricStat or Expression.",
                "InvalidParameterCombination",
            )
    if all(query.get("ReturnData") is False for query in queries):
        raise InvalidQuery("At least one query must return data: all have ReturnData false.")


def _check_statistic(name: str) -> None:
    if not is_statistic(name):
        raise InvalidQuery(
            f"The value {name} for parameter Stat is not supported here: "
            f"{', '.join(STATISTICS)} and percentiles (p0 to p100) are.",
            "InvalidParameterValue",
        )


def _labels(queries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A label says what tells its query from the others."""
    stats = [query["MetricStat"] for query in queries if query.get("MetricStat")]
    differing = [part for part in ("Stat", "Period") if len({stat[part] for stat in stats}) > 1]
    labels = {}
    for query in queries:
        stat = query.get("MetricStat")
        name = query.get("Label") or (stat["Metric"]["MetricName"] if stat else query["Id"])
        more = [str(stat[part]) for part in differing] if stat and not query.get("Label") else []
        labels[query["Id"]] = " ".join([name, *more])
    return labels


def _unix(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
