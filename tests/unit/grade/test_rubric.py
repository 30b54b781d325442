"""Points are for what was seen to work; a solution that does nothing right earns none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.grade.course import Course, course_names, read_course
from scripts.grade.rubric import RubricLine, score
from scripts.grade.seen import AnsweredPiece, FunctionSeen, Seen, percentile

PEOPLE = ("barack-obama", "eileen-collins", "joe-biden")


def working(course: Course) -> Seen:
    """What is seen of a solution that does everything right, quickly."""
    wanted = course.workload.pictures.count if course.workload.pictures else 0
    outcomes = [
        AnsweredPiece(
            f"test_{at:02d}",
            "" if course.workload.material == "long_videos" else PEOPLE[at % 3],
            PEOPLE[at % 3],
            right=True,
            latency_s=0.3,
            pictures=wanted,
            pictures_right=wanted,
        )
        for at in range(12)
    ]
    functions = {
        step.name: FunctionSeen(
            step.name,
            "Active",
            triggers=(step.trigger,) if step.trigger else (),
            duration_ms=200.0,
            concurrency=6,
        )
        for step in course.functions
    }
    at_first = dict.fromkeys((*course.buckets, *course.queues), 0)
    return Seen(outcomes, functions, at_first, took_s=20.0, limit=6, camera_clips=16)


@pytest.fixture(params=course_names())
def course(request: pytest.FixtureRequest) -> Course:
    return read_course(request.param, "1229679960")


def line(sheet: object, name: str) -> RubricLine:
    return next(one for one in sheet.lines if one.name == name)  # type: ignore[attr-defined]


def with_outcomes(course: Course, **changed: object) -> Seen:
    seen = working(course)
    return replace(seen, outcomes=[replace(one, **changed) for one in seen.outcomes])


def test_everything_right_is_full_score(course):
    sheet = score(course, working(course))
    assert (sheet.score, sheet.out_of) == (100, 100)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            {"said": None, "right": False, "latency_s": None, "pictures": 0, "pictures_right": 0},
            id="nothing comes",
        ),
        pytest.param({"said": "", "right": False, "pictures_right": 0}, id="empty answers"),
        pytest.param(
            {"said": "grace-hopper", "right": False, "pictures_right": 0}, id="a name of nobody"
        ),
    ],
)
def test_solution_that_does_nothing_right_earns_nothing(course, broken):
    seen = replace(with_outcomes(course, **broken), camera_clips=0)
    assert score(course, seen).score == 0


def test_everybody_called_by_a_wrong_name_earns_nothing(course):
    seen = replace(working(course), camera_clips=0)
    outcomes = [
        replace(one, said=PEOPLE[(at + 1) % 3], right=False, pictures_right=0)
        for at, one in enumerate(seen.outcomes)
    ]
    assert score(course, replace(seen, outcomes=outcomes)).score == 0


@pytest.mark.parametrize("name", ["2023", "2024-p2", "2025-p1"])
def test_one_name_for_everybody_earns_nothing_though_a_third_is_right(name):
    course = read_course(name, "ada")
    seen = replace(working(course), camera_clips=0)
    outcomes = [
        replace(one, said=PEOPLE[0], right=one.person == PEOPLE[0], pictures_right=0)
        for one in seen.outcomes
    ]
    sheet = score(course, replace(seen, outcomes=outcomes))
    assert sheet.score == 0
    assert any("one and the same name" in one.evidence for one in sheet.lines)


def test_half_right_is_part_of_the_points_with_examples_of_what_is_wrong():
    course = read_course("2025-p1", "ada")
    seen = working(course)
    outcomes = [
        one
        if at % 2
        else replace(one, said="joe-biden" if at % 3 else "eileen-collins", right=False)
        for at, one in enumerate(seen.outcomes)
    ]
    sheet = score(course, replace(seen, outcomes=outcomes))
    assert line(sheet, "correctness").points == 10
    assert line(sheet, "latency").points == 30  # of the part that is right
    assert "barack-obama was called 'eileen-collins'" in line(sheet, "correctness").evidence


def test_slow_answers_lose_points_by_the_course_steps():
    course = read_course("2025-p1", "ada")
    earned = [
        line(score(course, with_outcomes(course, latency_s=seconds)), "latency").points
        for seconds in (2.9, 3.5, 4.5, 6.0)
    ]
    assert earned == pytest.approx([60, 40, 20, 0], abs=0.01)


def test_missing_function_costs_and_says_why_it_was_not_deployed():
    course = read_course("2024-p2", "ada")
    seen = working(course)
    gone = FunctionSeen("face-recognition", trouble="Dockerfile:5: RUN make: is not done")
    sheet = score(course, replace(seen, functions={**seen.functions, gone.name: gone}))
    lost = line(sheet, "both functions are there")
    assert (lost.points, lost.out_of) == (-10, 0)
    assert "Dockerfile:5: RUN make" in lost.evidence


def test_no_answer_names_the_function_that_fails_and_how_to_read_its_log():
    course = read_course("2025-p1", "ada")
    seen = with_outcomes(course, said=None, right=False, latency_s=None)
    failing = FunctionSeen("face-detection", "Active", invocations=10, errors=9)
    idle = FunctionSeen("face-recognition", "Active")
    functions = {one.name: one for one in (failing, idle)}
    sheet = score(course, replace(seen, functions=functions, account="912345678901"))
    evidence = line(sheet, "completeness").evidence
    assert "face-detection failed 9 of 10 times" in evidence
    assert 'make logs FUNCTION=face-detection ARGS="--account 912345678901"' in evidence
    assert "face-recognition was never invoked" in evidence


def test_pictures_of_another_video_are_none():
    course = read_course("2024-p1", "ada")
    sheet = score(course, with_outcomes(course, pictures_right=3, right=False))
    assert sheet.score == 0
    assert "10 pictures, 3 of them" in line(sheet, "ten pictures of the video in each").evidence


def test_too_few_at_a_time_says_when_the_lab_itself_allows_no_more():
    course = read_course("2024-p1", "ada")
    seen = working(course)
    slow = replace(seen.functions["video-splitting"], concurrency=2)
    sheet = score(course, replace(seen, functions={"video-splitting": slow}, limit=2))
    found = line(sheet, "five at a time")
    assert found.points == 0
    assert "FACELAB_CONCURRENCY=6" in found.evidence


def test_queue_that_held_something_and_one_that_is_missing():
    course = read_course("2025-p1", "ada")
    seen = replace(working(course), at_first={"ada-req-queue": 2, "ada-resp-queue": None})
    found = line(score(course, seen), "both queues are there, and empty at first")
    assert found.points == -10
    assert "ada-req-queue held 2" in found.evidence
    assert "ada-resp-queue is not there" in found.evidence


def test_percentiles_are_of_the_values():
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.95) == 4.0
    assert percentile([], 0.5) is None
