"""A run's page: one file, nothing of it from outside, and what strangers wrote stays text."""

from __future__ import annotations

import re

from device.sources.fixture import cut_at_key_frames
from scripts.e2e.report import e2e_json
from scripts.e2e.truth import Answer, ClipTruth, Comparison
from scripts.paths import ROOT
from scripts.report.e2e import e2e_report, verdict
from scripts.report.page import Clip, Point, Report, page, write_page
from tests.fakes.results import ADA, ALAN, face, result

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
    answers = {n: Answer(one, 100.0 * n + 50, 0) for n, one in enumerate(RESULTS)}
    return Comparison(TRUTH, answers, 0)


def test_wrong_and_unknown_come_first():
    run = a_run()
    assert [verdict(run, clip, RESULTS[clip.index]) for clip in TRUTH] == [
        "right",
        "wrong",
        "unknown",
    ]
    text = page(e2e_report(run, e2e_json(run, "embedded"), []))
    found = re.findall(r'class="(right|wrong|unknown)">\1<', text)
    assert found == ["wrong", "unknown", "right"]


def test_the_page_needs_nothing_else_and_has_a_picture_of_each_clip():
    film = (ROOT / "fixtures" / "lab.h264").read_bytes()
    cuts = [film[cut.start : cut.end] for cut in cut_at_key_frames(film, 15)][:3]
    run = a_run()
    text = page(e2e_report(run, e2e_json(run, "embedded"), cuts))
    assert text.count("data:image/jpeg;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<script" not in text
    for part in PARTS:
        assert part in text


def test_a_run_without_an_answer_has_a_page_too():
    run = Comparison(TRUTH, {}, 0)
    text = page(e2e_report(run, e2e_json(run, "embedded"), []))
    assert "3 clips went unanswered" in text


def test_names_are_text_and_the_file_is_its_owners(tmp_path):
    report = Report(
        EVIL, False, [(EVIL, EVIL)], [EVIL], [Point(0, 1, "right", EVIL)], [(EVIL, 1)], [(EVIL, 1)],
        [Clip(0, EVIL, EVIL, EVIL, EVIL, "right", 1, False)], [(EVIL, [EVIL], [[EVIL]])],
    )  # fmt: skip
    path = tmp_path / "out" / "report.html"
    write_page(report, path)
    assert "<img src=x" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
