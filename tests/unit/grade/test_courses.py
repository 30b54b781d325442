"""Courses as they lie in their folders, who is graded, and what a workload is made of."""

from __future__ import annotations

import pytest

from scripts.functions.triggers import parse_trigger
from scripts.grade.course import CourseBroken, UnknownCourse, course_names, read_course
from scripts.grade.deploying import with_handout
from scripts.grade.material import FIXTURES, FixtureClips, pieces
from scripts.grade.official import packages_of
from scripts.grade.students import Student, UnknownStudent, read_students


@pytest.mark.parametrize("name", course_names())
def test_course_has_a_solution_for_each_function_and_a_hundred_points(name):
    course = read_course(name, "1229679960")
    assert course.out_of == 100
    for step in course.functions:
        assert (course.solution / step.folder / "Dockerfile").is_file()
        if step.trigger:
            parse_trigger(step.trigger)
    assert "{student}" not in repr(course)
    if course.workload.camera_program:
        assert (course.solution / course.workload.camera_program).is_file()


def test_unknown_course_names_those_that_are_there():
    with pytest.raises(UnknownCourse) as refused:
        read_course("1999", "ada")
    assert "2025-p1" in refused.value.hint


def test_course_with_a_check_that_nobody_knows_is_refused(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    source = (FIXTURES.parent / "courses" / "2025-p1" / "course.yaml").read_text()
    (folder / "course.yaml").write_text(source.replace("check: correct", "check: beauty"))
    with pytest.raises(CourseBroken, match="beauty"):
        read_course("odd", "ada", tmp_path)


def test_a_number_is_its_account_and_a_name_gets_one_of_its_own():
    assert Student("1229679960").account == "001229679960"
    accounts = {Student(name).account for name in ("ada", "grace", "ada-lovelace")}
    assert len(accounts) == 3
    assert all(len(one) == 12 and one.isdecimal() for one in accounts)


def test_class_list_as_words_and_as_a_file(tmp_path):
    listed = tmp_path / "class.txt"
    listed.write_text("# spring\n1229679960 first\nada\n\n")
    found = read_students("", str(listed), tmp_path / "all")
    assert [(one.id, one.folder) for one in found] == [
        ("1229679960", tmp_path / "first"),
        ("ada", tmp_path / "all" / "ada"),
    ]
    assert [one.id for one in read_students("Ada,grace", "", None)] == ["ada", "grace"]
    assert read_students("ada", "", tmp_path)[0].folder == tmp_path


@pytest.mark.parametrize("name", ["", "0", "000000000000", "a_b", "x" * 41, "-a", "../x"])
def test_id_that_could_name_no_bucket_or_the_labs_own_account_is_refused(name):
    with pytest.raises(UnknownStudent):
        read_students(name, "", None)


def test_two_spellings_of_one_account_are_refused():
    with pytest.raises(UnknownStudent, match="one account"):
        read_students("123,0123", "", None)


def test_workload_is_the_same_for_one_seed_and_its_names_tell_nothing():
    workload = read_course("2025-p1", "ada").workload
    first, again = pieces(workload, 9), pieces(workload, 9)
    assert first == again
    assert {one.person for one in first} == {"barack-obama", "eileen-collins", "joe-biden"}
    assert [one.name for one in first] == [f"test_{at:02d}" for at in range(9)]
    assert [one.person for one in first] != sorted(one.person for one in first)


def test_a_video_knows_its_pictures_from_those_of_others():
    film = FixtureClips(FIXTURES / "lab.h264", FIXTURES / "truth.json")
    obama, biden = film.video(5), film.video(14)
    assert obama.shows(film.picture(5).body)
    assert not obama.shows(film.picture(14).body)
    assert biden.shows(film.picture(14).body)
    assert not biden.shows(b"no picture")


def test_recording_is_told_by_the_clips_in_it():
    film = FixtureClips(FIXTURES / "lab.h264", FIXTURES / "truth.json")
    assert film.clips_in(film.clip(5).body + film.clip(6).body) == {5, 6}
    assert film.clips_in(film.clip(5).body[:-50]) == set()


def test_folder_gets_the_class_and_keeps_a_people_of_its_own(tmp_path):
    (tmp_path / "a").mkdir()
    given = with_handout(tmp_path / "a", tmp_path / "given-a")
    assert (given / "people" / "roster.json").is_file()
    assert list((given / "people").glob("*/*.jpg"))
    (tmp_path / "b" / "people").mkdir(parents=True)
    assert list((with_handout(tmp_path / "b", tmp_path / "given-b") / "people").iterdir()) == []


def test_grader_gets_what_it_and_its_neighbors_import_by_known_names_only(tmp_path):
    (tmp_path / "grader.py").write_text(
        "import os, pandas\nfrom utils import x\nimport evil_typo\n"
    )
    (tmp_path / "utils.py").write_text("from dotenv import load_dotenv\n")
    assert packages_of(tmp_path, tmp_path / "grader.py") == {"pandas", "python-dotenv"}
