"""Mixed folders, one person under two names, near twins: seen before they are believed."""

from __future__ import annotations

import numpy as np

from recognition import Gallery
from recognition.agreement import look_alikes, look_through

RANDOM = np.random.default_rng(0)
COMMON = 1.2 * RANDOM.normal(0, 1 / np.sqrt(128), 128)


def pictures(seed: int, count: int, moved: float = 0.3) -> np.ndarray:
    person = COMMON + 0.55 * np.random.default_rng(seed).normal(0, 1 / np.sqrt(128), 128)
    return person + moved * RANDOM.normal(0, 1 / np.sqrt(128), (count, 128))


def test_one_person_is_one_group():
    found = look_through(pictures(1, 8))
    assert found.groups == (tuple(range(8)),)
    assert not found.is_mixed
    assert found.odd == ()


def test_two_halves_of_two_people_are_two_groups():
    found = look_through(np.vstack([pictures(1, 4), pictures(2, 5)]))
    assert found.groups == ((4, 5, 6, 7, 8), (0, 1, 2, 3))
    assert found.is_mixed


def test_one_picture_of_somebody_else_is_odd():
    found = look_through(np.vstack([pictures(1, 3), pictures(2, 1), pictures(1, 3)]))
    assert not found.is_mixed
    assert found.odd == (3,)


def test_two_pictures_that_disagree_are_two_groups():
    assert look_through(np.vstack([pictures(1, 1), pictures(2, 1)])).is_mixed


def test_three_pictures_of_three_people_are_no_folder_of_one_with_two_odd_ones():
    found = look_through(np.vstack([pictures(1, 1), pictures(2, 1), pictures(3, 1)]))
    assert found.is_mixed
    assert len(found.groups) == 3


def test_as_many_odd_pictures_as_alike_ones_are_no_exceptions():
    found = look_through(np.vstack([pictures(1, 2), pictures(2, 1), pictures(3, 1)]))
    assert found.is_mixed
    assert found.groups[0] == (0, 1)
    assert not look_through(np.vstack([pictures(1, 3), pictures(2, 1), pictures(3, 1)])).is_mixed


def test_one_picture_alone_agrees_with_itself():
    assert look_through(pictures(1, 1)).groups == ((0,),)


def test_a_person_enrolled_before_under_another_name_is_found():
    gallery = Gallery.of(["ada", "bob"], np.vstack([pictures(1, 1), pictures(2, 1)]))
    (found,) = look_alikes(pictures(1, 3, moved=0.2), gallery)
    assert (found.person_id, found.is_same_person) == ("ada", True)
    assert look_alikes(pictures(3, 3), gallery) == []
    assert look_alikes(pictures(1, 3), gallery, but=["ada"]) == []


def test_near_twins_are_not_taken_for_one_person():
    ada = pictures(1, 1, moved=0)
    twin = ada + 0.26 / 0.55 * (pictures(2, 1, moved=0) - ada) * 1.25
    (found,) = look_alikes(twin, Gallery.of(["ada"], ada))
    assert not found.is_same_person


def test_nobody_to_compare_with():
    assert look_through(np.zeros((0, 128))).groups == ()
    assert look_alikes(pictures(1, 2), Gallery.empty()) == []
