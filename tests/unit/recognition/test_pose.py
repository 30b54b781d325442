"""Which way a face is turned, however the picture is."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.pose import turn_of

FRONTAL = np.array([(0, 0), (10, 0), (40, 0), (50, 0), (25, 30)], np.float32)
EYES_PX = 40


def turned(by: float) -> np.ndarray:
    landmarks = FRONTAL.copy()
    landmarks[4, 0] += by * EYES_PX
    return landmarks


@pytest.mark.parametrize("by", [0.0, 0.2, -0.3])
def test_a_nose_is_so_far_from_the_middle_as_it_is_turned(by):
    assert turn_of(turned(by)) == pytest.approx(by, abs=1e-6)


def test_the_eyes_may_come_in_either_order():
    assert turn_of(turned(0.2)[[2, 3, 0, 1, 4]]) == pytest.approx(0.2, abs=1e-6)


def test_size_place_and_a_tilted_head_change_nothing():
    for angle in (0.5, -0.5):
        rotated = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        moved = 3 * turned(0.2) @ rotated.T + (100, 70)
        assert turn_of(moved) == pytest.approx(0.2, abs=1e-6)


def test_eyes_in_one_point_are_no_error():
    assert turn_of(np.zeros((5, 2))) == 0
