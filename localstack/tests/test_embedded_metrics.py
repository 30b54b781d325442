"""Metrics in log lines: those that AWS would count, and nothing else."""

from __future__ import annotations

import json

import pytest

from localstack_image_functions.logs.embedded_metrics import embedded_values
from localstack_image_functions.metrics.store import Metric


def a_line(**changes) -> str:
    line = {
        "_aws": {
            "Timestamp": 1_700_000_000_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "lab",
                    "Dimensions": [[], ["status"]],
                    "Metrics": [{"Name": "ms", "Unit": "Milliseconds"}, {"Name": "faces"}],
                }
            ],
        },
        "status": "recognized",
        "ms": 12.5,
        "faces": [1, 2],
    }
    return json.dumps(line | changes)


def found(message: str) -> list[tuple[Metric, float]]:
    return [(one.metric, one.value) for one in embedded_values(message)]


def test_each_metric_counts_in_each_set_of_dimensions():
    plain, by_status = {}, {"status": "recognized"}
    assert found(a_line()) == [
        (Metric.of("lab", "ms", plain), 12.5),
        (Metric.of("lab", "faces", plain), 1),
        (Metric.of("lab", "faces", plain), 2),
        (Metric.of("lab", "ms", by_status), 12.5),
        (Metric.of("lab", "faces", by_status), 1),
        (Metric.of("lab", "faces", by_status), 2),
    ]
    first = next(iter(embedded_values(a_line())))
    assert (first.unit, first.at) == ("Milliseconds", 1_700_000_000.5)


def test_a_dimension_that_is_not_there_or_no_text_counts_for_nothing():
    assert all(not metric.dimensions for metric, _ in found(a_line(status=5)))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "START RequestId: 1",
        '{"CloudWatchMetrics": 1}',
        '"CloudWatchMetrics"' + "[" * 60_000,
        a_line(_aws=5),
        a_line(_aws={"Timestamp": "now", "CloudWatchMetrics": []}),
        a_line(_aws={"Timestamp": 1, "CloudWatchMetrics": [5, {"Namespace": ""}]}),
        a_line(_aws={"Timestamp": 1, "CloudWatchMetrics": {"Namespace": "x"}}),
        a_line(ms="many", faces=True),
        a_line(ms=None, faces=["a", None]),
    ],
)
def test_a_line_that_breaks_the_format_is_only_a_line(message):
    assert found(message) == []
