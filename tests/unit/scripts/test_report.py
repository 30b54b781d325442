"""A run's page: one file, nothing of it from outside, and what strangers wrote stays text."""

from __future__ import annotations

import html
import json
import re

import pytest

from device.sources.fixture import cut_at_key_frames
from scripts.e2e.report import e2e_json
from scripts.e2e.truth import ClipTruth, Comparison, ShownResult
from scripts.paths import ROOT
from scripts.report.bench import bench_report, write_bench_page
from scripts.report.correctness import NOTHING_CAME
from scripts.report.e2e import e2e_report
from scripts.report.grade import grade_report
from scripts.report.page import ClipRow, Point, Report, page, write_page
from scripts.report.thumbnails import thumbnail
from tests.fakes.results import ADA, ALAN, face, result

FILM = (ROOT / "fixtures" / "lab.h264").read_bytes()
EVIL = "<img src=x onerror=alert(1)>"
TRUTH = [
    ClipTruth(0, ("ada-lovelace",), 0, ()),
    ClipTruth(1, ("ada-lovelace",), 0, ()),
    ClipTruth(2, (), 1, ("stranger",)),
]
RESULTS = [
    result("c0", face(ADA, ADA), cold_start=True, init_ms=900.0, stages_ms={"detect": 5.0}),
    result("c1", face(ALAN, ADA), stages_ms={"detect": 6.0}),
    result("c2", face(None, None), stages_ms={"detect": 7.0}),
]
PARTS = (
    "Over time",
    "How long it took",
    "Where the function's time goes",
    "Cold starts",
    "Every clip",
    "Machine and versions",
)


def a_run() -> Comparison:
    answers = {n: ShownResult(one, 100.0 * n + 50, 0) for n, one in enumerate(RESULTS)}
    return Comparison(TRUTH, answers, 0)


def test_wrong_and_unknown_come_first():
    run = a_run()
    text = page(e2e_report(run, e2e_json(run, "embedded", {}), []))
    found = re.findall(r'class="(right|wrong|unknown)">\1<', text)
    assert found == ["wrong", "unknown", "right"]


def test_a_clip_that_nobody_answered_is_among_the_wrong_ones():
    """It was left out: the page of a failed run had no picture of what failed."""
    run = Comparison(TRUTH, {0: ShownResult(RESULTS[0], 50.0, 0)}, 0)
    rows = e2e_report(run, e2e_json(run, "embedded", {}), []).clips
    assert [one.correctness for one in rows] == ["right", "wrong", "wrong"]
    assert rows[1].said == (NOTHING_CAME, NOTHING_CAME)
    assert rows[1].latency_ms is None


def test_the_page_needs_nothing_else_and_has_a_picture_of_each_clip():
    cuts = [FILM[cut.start : cut.end] for cut in cut_at_key_frames(FILM, 15)][:3]
    run = a_run()
    text = page(e2e_report(run, e2e_json(run, "embedded", {}), cuts))
    assert text.count("data:image/jpeg;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<script" not in text
    for part in PARTS:
        assert part in html.unescape(text)


@pytest.mark.parametrize(("slowest_ms", "is_said"), [(200.0, False), (9000.0, True)])
def test_slower_clips_are_spoken_of_where_there_are_such(slowest_ms, is_said):
    """A histogram that ended at the slowest clip still said that there are slower ones."""
    points = [Point(float(n), 200.0, "right", "") for n in range(150)]
    points[7] = Point(7.0, slowest_ms, "right", "")
    text = page(Report("Run", None, (), points=points))
    assert ("slower ones are in the last bar" in text) is is_said


@pytest.mark.parametrize(("count", "width"), [(20, 12.0), (100, 6.0), (480, 3.0)])
def test_few_clips_are_bars_and_not_hairlines(count, width):
    points = [Point(float(n), 200.0, "right", "") for n in range(count)]
    text = page(Report("Run", None, (), points=points))
    assert text.count(f'width="{width}" height="190.0"') == count


def test_pictures_do_not_wait_until_somebody_scrolls_to_them():
    """On paper, and in a picture of the whole page, nobody does: they were blank."""
    assert "lazy" not in page(Report("Run", None, (), clips=[ClipRow("c", "", [], "right", 1)]))


def test_a_digest_wraps_and_a_table_of_many_columns_is_read_on_a_phone():
    """A grade's image ran out of the page, and a phone showed half of the columns."""
    head = ("function", "state", "invocations", "errors", "image")
    row = ("face recognition", "Active", "2", "0", "name@sha256:" + "5" * 64)
    text = page(Report("Run", None, (), tables=[("Functions", head, [row])]))
    assert '<table class="wide">' in text
    assert text.count(' class="long"') == 1
    assert '<td data-of="image" class="long">name@sha256' in text


def test_who_was_there_is_said_once():
    """ "a stranger (stranger)", said the page of the loop."""
    assert ClipTruth(0, (), 1, ("stranger",)).scene == "a stranger"
    both = ClipTruth(0, ("ada", "alan"), 0, ("two", "dark"))
    assert both.scene == "ada and alan (dark)"


def test_a_run_without_an_answer_has_a_page_too():
    run = Comparison(TRUTH, {}, 0)
    text = page(e2e_report(run, e2e_json(run, "embedded", {}), []))
    assert "3 clips went unanswered" in text


def test_names_are_text_and_the_file_is_its_owners(tmp_path):
    report = Report(
        EVIL, False, [(EVIL, EVIL)], [EVIL], [Point(0, 1, "right", EVIL)], [(EVIL, 1)], [(EVIL, 1)],
        [ClipRow(EVIL, EVIL, [EVIL, EVIL], "right", 1)], tables=[(EVIL, [EVIL], [[EVIL]])],
    )  # fmt: skip
    path = tmp_path / "out" / "report.html"
    write_page(report, path)
    assert "<img src=x" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def a_sheet(**outcome) -> dict:
    piece = {
        "name": "clip-1", "person": "Ada", "said": "Ada", "right": True, "latency_s": 0.5,
        "pictures": 0, "pictures_right": 0, "trouble": "",
    }  # fmt: skip
    function = {
        "state": "Active", "triggers": [], "invocations": 2, "errors": 0, "duration_ms": 9.0,
        "concurrency": 1, "cold_starts": 1,
    }  # fmt: skip
    rows = [
        {"name": "answered", "points": 10.0, "out_of": 10.0, "evidence": "2 of 2"},
        {"name": EVIL, "points": 5.0, "out_of": 20.0, "evidence": "1 of 2 right"},
    ]
    return {
        "course": "2023", "student": "ada", "score": 15.0, "out_of": 30.0, "rubric": rows,
        "workload": {"material": "clips", "count": 2, "seed": 1, "took_s": 3.0},
        "latency_ms": {"p50": 500.0, "p95": None}, "concurrency": 1, "cold_starts": 1,
        "images": {"face": ""}, "functions": {"face": function},
        "outcomes": [piece, {**piece, "name": "clip-2", "right": False, "said": None,
                             "latency_s": None, **outcome}],
    }  # fmt: skip


def test_a_sheet_shows_what_cost_points_and_the_wrong_pieces_first():
    picture = thumbnail(FILM)
    report = grade_report(a_sheet(), "Faces in the cloud", {"clip-2": picture})
    assert report.ok is False
    assert report.problems == [f"{EVIL}: 1 of 2 right"]
    text = page(report)
    assert re.findall(r'scope="row">(clip-\d)', text) == ["clip-2", "clip-1"]
    assert NOTHING_CAME in text
    assert picture
    assert text.count("data:image/jpeg;base64,") == 1
    assert "15 of 30" in text
    assert "<img src=x" not in text
    assert "no image" in text


def test_a_piece_that_failed_says_why():
    report = grade_report(a_sheet(trouble="HTTP 500"), "t", {})
    assert report.clips[1].said == ["HTTP 500"]


@pytest.mark.parametrize(
    ("outcome", "said", "correctness"),
    [
        ({"said": ""}, "no name", "unknown"),
        ({"said": "Alan"}, "Alan", "wrong"),
        (
            {"right": True, "pictures": 10, "pictures_right": 10},
            "10 of 10 pictures show it",
            "right",
        ),
    ],
)
def test_a_piece_is_wrong_unknown_or_right(outcome, said, correctness):
    """A course of pictures asks for no name: "nothing came" stood beside what was right."""
    row = grade_report(a_sheet(**outcome), "t", {}).clips[1]
    assert (row.said, row.correctness) == ([said], correctness)


BENCHES = {
    "loop.json": {
        "facelab": {
            "clip_end_ms": {"p50": 130.0, "p95": 190.0},
            "stages_ms": {"fetch": 9.0, "recognize": 70.0, "sum": 79.0},
            "cpu_ms_per_clip": {"camera": 3.0},
        },
        "report_style": {
            "clip_end_ms": {"p50": 3900.0, "p95": 4500.0},
            "stages_ms": {"recognize": 1700.0, "sum": 1700.0},
            "cpu_ms_per_clip": {"function": 1900.0},
        },
        "ratio_p50": 30.0,
        "cold_ms": 2200.0,
    },
    "bench-overhead.json": {"warm": 50, "overhead_ms": {"p50": 34.0, "p95": 50.0}},
    "lab.json": {"lab_ms": {"up_cold": 5100}, "times": 3},
    "bench-reload.json": {"saves": 10, "save_to_answer_ms": {"p50": 200.0, "p95": 300.0}},
    "bench.json": {
        "report_style": {"640x480": {"total_ms": 2626.8, "cpu_ms": 3150.0, "right": "30/30"}},
        "facelab": {"640x480": {"total_ms": 55.8, "cpu_ms": 65.0, "right": "30/30"}},
        "ratio": {"640x480": 47.1},
    },
}


def test_every_bench_joins_one_page(tmp_path):
    for name, facts in BENCHES.items():
        (tmp_path / name).write_text(json.dumps(facts))
        text = write_bench_page(tmp_path).read_text()
        assert name in text
    assert "passed" not in text  # a bench can't fail
    for shown in (
        "130 ms",
        "30.0 times as long",
        "5.10",
        "34 ms",
        "200 ms",
        "3900.0",
        "2627",
        "47.1 times",
    ):
        assert shown in text
    report = bench_report(tmp_path)
    assert report.stages == [("fetch", 9.0), ("recognize", 70.0)]


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_bench_that_wrote_nothing_of_use_is_left_out(tmp_path, content):
    (tmp_path / "loop.json").write_text(content)
    assert bench_report(tmp_path).figures == []


def test_a_line_that_can_only_cost_something_is_not_said_to_have_earned_none():
    made = a_sheet()
    for name, points in (("is there", 0.0), ("is empty", -5.0)):
        made["rubric"].append({"name": name, "points": points, "out_of": 0.0, "evidence": ""})
    (_, _, rows), _ = grade_report(made, "t", {}).tables
    assert [row[1] for row in rows] == ["10 of 10", "5 of 20", "none lost", "-5"]
