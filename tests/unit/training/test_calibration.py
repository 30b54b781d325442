import numpy as np
import pytest

from training.calibration import LEAST_ACCEPT, MOST_ACCEPT, calibrate
from training.strangers import Spread, made_up_strangers, other_pictures


def two_people(*best):
    return np.array([[value, 0.01] for value in best])


def test_accept_lets_through_no_more_strangers_than_allowed():
    strangers = two_people(*np.linspace(0, 0.9, 1000))
    made = calibrate(two_people(0.95, 0.95, 0.7), np.array([0, 0, 0]), strangers, 0.01)
    assert made.strangers_named <= 0.01
    assert made.accept == pytest.approx(0.892, abs=0.002)
    assert made.known_named == pytest.approx(2 / 3)
    assert 0 < made.candidate < made.accept


def test_accept_has_bounds():
    known, owners = two_people(0.9), np.array([0])
    assert calibrate(known, owners, two_people(0.01, 0.02)).accept == LEAST_ACCEPT
    assert calibrate(known, owners, two_people(*[0.9999] * 50)).accept == MOST_ACCEPT


def test_without_strangers_or_known_faces_nothing_is_claimed():
    made = calibrate(np.zeros((0, 2)), np.zeros(0, int), np.zeros((0, 2)))
    assert (made.strangers_named, made.known_named) == (None, None)


def test_a_wrong_name_is_not_counted_as_named():
    made = calibrate(np.array([[0.1, 0.85]]), np.array([0]), two_people(0.01))
    assert made.known_named == 0.0


@pytest.mark.parametrize("people", [1, 3, 30])
def test_made_up_strangers_come_nearer_the_more_people_there_are(people):
    random = np.random.default_rng(0)
    centres = random.normal(0, 0.0625, (people, 128))
    strangers = made_up_strangers(centres, 2000, Spread(), random)
    nearest = np.linalg.norm(strangers[:, None] - centres[None], axis=2).min(1)
    expected = {1: 0.72, 3: 0.66, 30: 0.565}[people]
    assert np.median(nearest) == pytest.approx(expected, abs=0.03)


def test_other_pictures_stay_around_their_person():
    random = np.random.default_rng(0)
    face = np.zeros((3000, 128), np.float32)
    moved = np.linalg.norm(other_pictures(face, Spread(), random), axis=1)
    assert moved.max() < 0.75
    assert 0.1 < np.median(moved) < 0.3
