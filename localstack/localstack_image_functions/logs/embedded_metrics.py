"""Metrics in log lines: CloudWatch's embedded metric format, counted as CloudWatch counts it.

A line that is JSON with `_aws.CloudWatchMetrics` says which of its own fields are metrics, and in
which dimensions. A line that breaks the format stays a line and counts for nothing, as on AWS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from localstack_image_functions.metrics.store import Metric

MARK = '"CloudWatchMetrics"'
# AWS's own bounds of one directive, one line and one dimension set.
MOST_METRICS = 100
MOST_DIMENSIONS = 30
MOST_VALUES = 100
MOST_TEXT = 1024


@dataclass(frozen=True)
class Value:
    """One value of a metric; `at` is Unix seconds."""

    metric: Metric
    value: float
    unit: str | None
    at: float


def embedded_values(message: str) -> Iterator[Value]:
    """Every value that a log line holds in this format."""
    if MARK not in message:
        return
    try:
        line = json.loads(message)
    except (ValueError, RecursionError):
        return
    head = line.get("_aws") if isinstance(line, dict) else None
    if not isinstance(head, dict) or not _is_number(head.get("Timestamp")):
        return
    for directive in _list(head.get("CloudWatchMetrics")):
        if isinstance(directive, dict):
            yield from _of_directive(directive, line, head["Timestamp"] / 1000)


def _of_directive(
    directive: Mapping[str, Any], line: Mapping[str, Any], at: float
) -> Iterator[Value]:
    namespace = directive.get("Namespace")
    if not _is_text(namespace):
        return
    for names in _list(directive.get("Dimensions")):
        dimensions = _dimensions(names, line)
        if dimensions is None:
            continue
        for one in _list(directive.get("Metrics"))[:MOST_METRICS]:
            name = one.get("Name") if isinstance(one, dict) else None
            if not _is_text(name):
                continue
            unit = one.get("Unit")
            metric = Metric.of(namespace, name, dimensions)
            for value in _values(line.get(name)):
                yield Value(metric, value, unit if unit and unit != "None" else None, at)


def _dimensions(names: Any, line: Mapping[str, Any]) -> dict[str, str] | None:
    """A dimension is a field of the line, and has to be text; None where one is not there."""
    names = _list(names)
    if len(names) > MOST_DIMENSIONS or not all(map(_is_text, names)):
        return None
    found = {name: value for name in names if _is_text(value := line.get(name))}
    return found if len(found) == len(set(names)) else None


def _values(field: Any) -> list[float]:
    """A number, or a list of them."""
    return [one for one in (field if isinstance(field, list) else [field]) if _is_number(one)][
        :MOST_VALUES
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MOST_TEXT


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**360
