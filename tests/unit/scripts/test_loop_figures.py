"""The figures of the loop and of throughput: parts add up, a rate is sustained or it is not."""

from __future__ import annotations

import json
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from contract.spans import Span
from scripts.bench.loop import _facts
from scripts.bench.loop_figures import PARTS, gap, middle, parts_of, percentiles, side, table
from scripts.bench.loop_report import Printed, _parts
from scripts.console import Progress
from scripts.e2e.soak import Played, Soak
from scripts.e2e.throughput import Trial, Window, best, measured, saturated
from scripts.e2e.throughput_picture import picture


def way(start_ms: float = 1000.0, read_early_ms: float = 0.0):
    """A clip that ends at `start_ms`: its line in the function's log, and its device's spans."""
    at = start_ms
    function = [
        Span("function", "answer", at + 40, 100), Span("function", "recognize", at + 55, 60),
        Span("function", "send", at + 120, 10),
    ]  # fmt: skip
    device = [
        Span("camera", "record", at - 500, 500), Span("camera", "upload", at + 5, 30),
        Span("messages", "receive", at + 130 - read_early_ms, 1),
        Span("messages", "print", at + 131 - read_early_ms, 2),
    ]  # fmt: skip
    return SimpleNamespace(spans=function), device


@pytest.mark.parametrize("read_early_ms", [0.0, 4.0])
def test_a_clips_parts_follow_each_other_and_add_up_to_its_way(read_early_ms):
    parts = parts_of(*way(read_early_ms=read_early_ms))
    assert tuple(parts) == PARTS
    assert min(parts.values()) >= 0
    assert sum(parts.values()) == pytest.approx(133 - read_early_ms)


def test_a_clip_that_a_station_told_nothing_of_has_no_parts():
    line, device = way()
    assert parts_of(line, device[:-1]) is None


def test_parts_of_the_clips_in_the_middle_add_up_to_the_median():
    clips = [{"a": 2.0 * n, "b": 5.0} for n in range(1, 51)] + [{"a": 9_000.0, "b": 9_000.0}]
    whole = percentiles(sum(one.values()) for one in clips)["p50"]
    found = middle(clips, whole)
    assert found["sum"] == pytest.approx(found["a"] + found["b"])
    assert found["sum"] == pytest.approx(whole, rel=0.05)
    assert middle([], whole) == {}


def test_parts_of_other_clips_than_those_in_the_middle_are_told():
    latencies = [100.0] * 9 + [300.0]
    assert gap(side(latencies, [{"fetch": 104.0}, {"fetch": 290.0}], {})) is None
    assert "add up to 290 ms, the median is 100" in gap(side(latencies, [{"fetch": 290.0}], {}))
    assert gap(side(latencies, [], {})) is not None


def test_percentiles_are_of_the_nearest_rank():
    assert percentiles(range(1, 101)) == {"p50": 50.5, "p95": 95.0, "p99": 99.0}
    assert percentiles([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0}


def test_the_reports_parts_add_up_even_when_its_event_is_faster_than_its_uploader():
    told = {
        "marks": {"event": 1080.0, "fetch": 1100.0, "handler": 2000.0, "look_up": 2010.0},
        "stages_ms": {"ffmpeg": 500.0, "custom_model": 300.0},
    }
    parts = _parts(1000.0, 3500.0, {"file": 1010.0, "upload": 1090.0}, told)
    assert sum(parts.values()) == pytest.approx(2500.0)
    assert (parts["event"], parts["handler_rest"]) == (0.0, 100.0)


def test_the_table_names_both_designs():
    one = side([100.0, 200.0], [{"fetch": 10.0, "send": 90.0}], {"emulator": 40.0})
    assert one["cpu_ms_per_clip"] == {"emulator": 20.0}
    facts = {"facelab": one, "report_style": one, "ratio_p50": 1.0, "cold_ms": 900.0}
    assert "report_style" in table(facts)


def test_what_programs_read_of_a_run_is_there():
    printed = [Printed(3000.0, {"wait": 3000.0}, "Ada")] * 2
    bench = SimpleNamespace(
        ours=SimpleNamespace(latencies={"a": 100.0, "b": 120.0}),
        theirs=printed,
        costs={
            "facelab": SimpleNamespace(ms={"emulator": 60.0, "function": 200.0}),
            "report_style": SimpleNamespace(ms={"function": 4000.0}),
        },
    )
    facts = _facts(bench, {"a": {"fetch": 100.0}, "b": {"fetch": 120.0}}, 900.0, 5000.0)
    for side_of in ("facelab", "report_style"):
        assert {*facts[side_of]} >= {"clip_end_ms", "stages_ms"}
        assert {*facts[side_of]["clip_end_ms"]} == {"p50", "p95", "p99"}
    assert (facts["ratio_p50"], facts["cold_ms"]) == (27.3, 900.0)
    assert facts["cpu_ms_per_clip"] == {"emulator": 30.0, "function": 100.0}
    assert facts["machine"]["cpus"]


def tried(rate: float, p95_ms: float | None, lost: int = 0, busy: float = 0.5) -> Trial:
    cpu = {
        "emulator": busy * 0.2,
        "function": busy * 0.6,
        "devices": busy * 0.1,
        "others": busy * 0.1,
    }
    return Trial(2, rate, rate, p95_ms, p95_ms, lost, {**cpu, "all": busy}, {})


def test_the_highest_rate_that_loses_nothing_within_a_second_is_the_best():
    trials = [tried(4, 300), tried(5, 900), tried(6, 900, lost=1), tried(7, 2000, busy=0.95)]
    assert best(trials).asked_per_s == 5
    assert best([tried(4, 5000), tried(3, 2000), tried(2, None, lost=9)]).asked_per_s == 3


def test_what_runs_out_is_named():
    assert saturated([tried(4, 300)])["resource"] is None
    full = saturated([tried(4, 300), tried(7, 2000, busy=0.95)])
    assert (full["resource"], full["stage"]) == ("cpu", "function")
    assert saturated([tried(7, 2000, busy=0.3)])["resource"] == "waiting"


def test_the_picture_is_svg_and_leaves_out_what_has_no_answers():
    trials = [{"devices": 2, **one.to_fields()} for one in (tried(4, 300), tried(9, None, 5))]
    drawn = ElementTree.fromstring(picture(trials, 1000.0))  # noqa: S314  our own
    assert len(drawn.findall("{*}circle")) == 1
    json.dumps(trials, allow_nan=False)


def test_clips_recorded_while_other_devices_still_start_do_not_count():
    window = Window(10.0)
    window.began, window.ended = 20.0, 30.0
    soak = Soak(["first", "last"], Progress(quiet=True))
    for device, since in (("first", 5), ("last", 19)):
        log = soak.devices[device]
        for moment in range(since, 30):
            clip = f"{device}-{moment}"
            log.recorded[clip] = float(moment)
            log.shown.append((clip, moment + 0.5))
            log.latency_ms[clip] = 200.0 if moment >= 20 else 5000.0
    found = measured(Played(soak, [], []), window, rate=2.0)
    assert (found.devices, found.clips_per_s, found.p95_ms, found.lost) == (2, 2.0, 200.0, 0)
    soak.devices["first"].recorded["unanswered"] = 6.0
    assert measured(Played(soak, [], []), window, rate=2.0).lost == 1
