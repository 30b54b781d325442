"""What the soak judges: it must see each way in which a result can go wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import pytest

from contract.results import Person
from scripts.console import Progress
from scripts.e2e.film import FIXTURE, PlayedFilm, film_clips
from scripts.e2e.soak import Soak
from scripts.e2e.soak_report import SoakPlan, report, summary
from scripts.e2e.steadiness import Steadiness
from scripts.e2e.truth import ClipTruth
from scripts.report.correctness import NOTHING_CAME
from scripts.report.page import page
from scripts.report.soak import MOST_OF_A_KIND, soak_report
from tests.fakes.results import ADA, face, result


class Run:
    """Two devices that record one clip each half second, by hand."""

    def __init__(self):
        self.soak = Soak(["a", "b"], Progress(quiet=True))

    def clip(self, device: str, clip_id: str) -> None:
        number = len(self.soak.devices[device].recorded)
        self.soak.camera_of(device)({"event": "clip", "clip_id": clip_id, "sequence": number})

    def result(
        self,
        device: str,
        clip_id: str,
        of: str | None = None,
        took_ms: float | None = 100.0,
        init_ms: float | None = None,
        named: Person | None = None,
    ) -> None:
        faces = (face(named, named),) if named else ()
        self.soak.messages_of(device)(
            {
                **asdict(result(clip_id, *faces, device_id=of or device)),
                "event": "result",
                "latency_ms": took_ms and {"clip_end": took_ms, "capture_start": took_ms + 500},
                "stages_ms": {"fetch": 4.0, "detect": took_ms or 0.0},
                "cold_start": init_ms is not None,
                "init_ms": init_ms,
            }
        )

    def facts(self, clips_each: int = 1) -> dict:
        plan = SoakPlan(devices=2, clips_each=clips_each, rate=2)
        logs = list(self.soak.devices.values())
        return report(logs, plan, "embedded", [], Steadiness(judged=False))


@pytest.fixture
def run() -> Run:
    run = Run()
    run.clip("a", "a1")
    run.clip("b", "b1")
    return run


def test_every_result_at_its_own_device_is_right(run):
    run.result("a", "a1")
    run.result("b", "b1")
    facts = run.facts()
    assert facts["ok"]
    assert (facts["recorded"], facts["answered"], facts["most_clips_under_way"]) == (2, 2, 2)
    assert facts["latency_ms"]["p50"] == 100.0
    assert "lost 0" in summary(facts)


def test_lost_clip_is_seen(run):
    run.result("a", "a1")
    facts = run.facts()
    assert not facts["ok"]
    assert facts["lost"] == facts["per_device"]["b"]["lost"] == 1


def test_result_at_the_wrong_device_is_seen(run):
    run.result("a", "a1")
    run.result("a", "b1", of="b")
    facts = run.facts()
    assert not facts["ok"]
    assert facts["per_device"]["a"]["foreign"] == 1
    assert facts["per_device"]["b"]["lost"] == 1


def test_own_clip_under_a_foreign_name_is_seen(run):
    run.result("a", "a1", of="b")
    run.result("b", "b1")
    assert run.facts()["foreign"] == 1


def test_result_shown_twice_is_seen(run):
    for clip in ("a1", "a1"):
        run.result("a", clip)
    run.result("b", "b1")
    facts = run.facts()
    assert not facts["ok"]
    assert facts["shown_twice"] == 1


def test_camera_that_fell_behind_is_seen(run):
    run.result("a", "a1")
    run.result("b", "b1")
    assert run.facts(clips_each=2)["faults"] == [
        "2 clips were not recorded: the cameras fell behind"
    ]


def test_run_without_an_answer_has_a_summary(run):
    assert "2 of 2 clips" in summary(run.facts())


def test_a_result_without_a_latency_moves_no_other_in_the_picture(run):
    run.clip("a", "a2")
    run.result("a", "a1", took_ms=None)
    run.result("a", "a2", took_ms=40.0)
    run.result("b", "b1", took_ms=70.0)
    logs = list(run.soak.devices.values())
    points = soak_report(logs, run.facts(clips_each=2), PlayedFilm()).points
    shown = {clip_id: moment for log in logs for clip_id, moment in log.shown}
    first = min(moment for log in logs for moment in log.recorded.values())
    assert [(point.at_s, point.latency_ms) for point in points] == [
        (shown["a2"] - first, 40.0),
        (shown["b1"] - first, 70.0),
    ]


def test_the_page_has_stages_and_cold_starts(run):
    run.result("a", "a1", took_ms=400.0, init_ms=900.0)
    run.result("b", "b1", took_ms=60.0)
    shown = soak_report(list(run.soak.devices.values()), run.facts(), PlayedFilm())
    assert shown.stages == [("fetch", 4.0), ("detect", 230.0)]
    assert shown.cold == [("a1", 900.0)]


CLIPS = film_clips(FIXTURE)[:3]
ADA_NOBODY_STRANGER = (
    ClipTruth(0, ("ada-lovelace",), 0, ()),
    ClipTruth(1, (), 0, ()),
    ClipTruth(2, (), 1, ()),
)


def test_the_page_has_a_picture_of_each_clip_lost_wrong_and_unknown_ones_first(run):
    """A camera plays its film over and over: a clip shows what lies at its place in it."""
    for clip_id in ("a2", "a3", "a4", "a5"):
        run.clip("a", clip_id)
    run.result("a", "a1", named=ADA, took_ms=100.0)  # she is there
    run.result("a", "a2", named=ADA)  # nobody is there
    run.result("a", "a3")  # a stranger is
    run.result("a", "a4", named=ADA, took_ms=300.0)  # the film's first clip again
    run.result("b", "b1")  # she is there, and nobody named her
    film = PlayedFilm(CLIPS, ADA_NOBODY_STRANGER)
    rows = soak_report(list(run.soak.devices.values()), run.facts(3), film).clips
    assert [(row.name, row.correctness) for row in rows] == [
        ("a a5", "wrong"),  # nothing came
        ("a a2", "wrong"),
        ("a a3", "unknown"),
        ("b b1", "unknown"),
        ("a a4", "right"),  # the slower one first
        ("a a1", "right"),
    ]
    assert rows[0].said == [NOTHING_CAME, NOTHING_CAME]
    assert all(row.jpeg for row in rows)
    assert rows[4].jpeg == rows[5].jpeg
    assert rows[2].jpeg != rows[1].jpeg


def test_the_page_of_a_long_soak_shows_some_of_each_kind_and_says_so(run):
    count = MOST_OF_A_KIND + 5
    for number in range(count):
        run.clip("a", f"more-{number}")  # lost
    run.result("a", "a1", named=ADA)
    run.result("b", "b1")
    film = PlayedFilm(CLIPS, ADA_NOBODY_STRANGER)
    report = soak_report(list(run.soak.devices.values()), run.facts(), film)
    kinds = Counter(row.correctness for row in report.clips)
    assert kinds == {"wrong": MOST_OF_A_KIND, "unknown": 1, "right": 1}
    assert f"{MOST_OF_A_KIND + 2} of {count + 2} clips" in page(report)
