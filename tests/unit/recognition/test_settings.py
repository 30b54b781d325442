"""Numbers of recognition: their bounds, and what follows from how many people are enrolled."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from recognition import Settings
from recognition.settings import InvalidSettings

USUAL = Settings()


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_bounds_are_allowed_and_what_is_beyond_is_named(field):
    low, high = field.metadata["low"], field.metadata["high"]
    for value in (low, high):
        Settings(**{field.name: value})
    for value in (low - 1, high + 1, math.nan):
        with pytest.raises(InvalidSettings, match=field.name):
            Settings(**{field.name: value})


def test_each_tenfold_of_people_must_be_so_much_nearer():
    one = USUAL.accept_distance
    assert USUAL.accept_distance_among(1) == USUAL.accept_distance_among(0) == one
    assert USUAL.accept_distance_among(10) == pytest.approx(one - USUAL.accept_falloff)
    assert USUAL.accept_distance_among(100) == pytest.approx(one - 2 * USUAL.accept_falloff)


def test_among_however_many_a_good_picture_can_be_named():
    assert USUAL.accept_distance_among(10**9) == pytest.approx(0.65 * USUAL.accept_distance)


def test_a_mean_over_several_frames_may_be_a_little_farther():
    several = USUAL.several_frames
    few, many = (USUAL.accept_distance_among(1, frames) for frames in (several - 1, several))
    assert few == USUAL.accept_distance
    assert many == few + USUAL.several_slack


def test_the_chance_to_be_right_is_even_at_its_distance_and_falls_by_its_slope():
    even, slope = USUAL.even_distance, USUAL.even_slope
    assert USUAL.probability_of_right(even, 1) == pytest.approx(0.5)
    assert USUAL.probability_of_right(even - slope, 1) == pytest.approx(math.e / (1 + math.e))
    assert USUAL.probability_of_right(even - USUAL.accept_falloff, 10) == pytest.approx(0.5)
    assert USUAL.probability_of_right(2.0, 10) == pytest.approx(0.0, abs=1e-12)
    assert Settings(even_slope=0.001).probability_of_right(2.0, 1) >= 0.0
