"""What Prometheus reads of a device: its format, its numbers, and who may ask."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from contextlib import closing
from urllib.request import Request

import pytest

from device.metrics import Histogram, Metric, exposition
from device.metrics_server import MetricsPortTaken, MetricsServer
from device.outbox import Counts
from device.outbox_report import outbox_metrics

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LINE = re.compile(
    rf"# HELP {NAME} [^\n]+|# TYPE {NAME} (counter|gauge|histogram)"
    rf'|{NAME}(\{{[a-z]+="[^"\\\n]*"\}})? [0-9.e+-]+'
)


def values(text: str) -> dict[str, float]:
    assert text.endswith("\n")
    lines = text.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), text
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_every_count_of_the_camera_is_a_metric_with_its_device():
    counts = Counts(**{name: at for at, name in enumerate(Counts.__dataclass_fields__)})
    found = values(exposition(outbox_metrics(counts, "pi-01")))
    assert found['facelab_clips_recorded_total{device="pi-01"}'] == counts.recorded
    assert found['facelab_clips_waiting{device="pi-01"}'] == counts.waiting
    assert found['facelab_spool_bytes{device="pi-01"}'] == counts.spool_bytes
    assert sorted(found.values()) == sorted(vars(counts).values())


def test_a_histogram_counts_what_took_at_most_so_long():
    latency = Histogram("facelab_latency_seconds", "Latency.", (0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0, -3.0):
        latency.add(seconds)
    found = values(exposition([latency]))
    assert found == {
        'facelab_latency_seconds_bucket{le="0.1"}': 3,
        'facelab_latency_seconds_bucket{le="1"}': 4,
        'facelab_latency_seconds_bucket{le="+Inf"}': 5,
        "facelab_latency_seconds_sum": 7.65,
        "facelab_latency_seconds_count": 5,
    }


def test_a_large_counter_is_written_in_full():
    assert "2147483649" in exposition([Metric("n_total", "counter", "N.", 2**31 + 1)])


def test_a_label_that_would_end_its_quotes_is_refused():
    with pytest.raises(ValueError, match="label"):
        exposition([Metric("n", "gauge", "N.", 1, {"device": 'a"b'})])


@pytest.fixture
def served():
    with closing(MetricsServer(0, lambda: [Metric("n_total", "counter", "N.", 3)])) as server:
        yield server


def test_it_is_served_in_prometheus_own_type(served):
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert values(answer.read().decode()) == {"n_total": 3}


@pytest.mark.parametrize(
    ("path", "host", "status"), [("/metrics", "pi.example", 403), ("/", None, 404)]
)
def test_a_name_that_points_here_reads_nothing(served, path, host, status):
    headers = {"Host": host} if host else {}
    asked = Request(f"http://127.0.0.1:{served.port}{path}", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)  # noqa: S310  our own port
    assert refused.value.code == status
    refused.value.close()


def test_a_port_that_is_taken_is_said_in_a_line(served):
    with pytest.raises(MetricsPortTaken) as refused:
        MetricsServer(served.port, list)
    assert str(served.port) in str(refused.value)
