import numpy as np
import pytest

from training.calibration import LEAST_ACCEPT, MOST_ACCEPT, calibrate
from training.strangers import Spread, made_up_strangers, other_pictures


def two_people(*best):
    return np.array([[value, 0.01] for value in best])


def test_accept_lets_through_no_more_strangers_than_allowed():
    strangers = two_people(*np.linspace(0, 0.9, 1000))
    known = two_people(*[0.95] * 19, 0.7)
    made = calibrate(known, np.zeros(20, int), strangers, 0.01)
    assert made.strangers_named <= 0.01
    assert made.accept == pytest.approx(0.892, abs=0.002)
    assert made.known_named == pytest.approx(19 / 20)
    assert 0 < made.candidate < made.accept
    assert made.warnings == ()


def test_a_model_that_would_name_nobody_names_a_few_more_strangers_and_says_so():
    strangers = two_people(*np.linspace(0, 0.97, 1000))
    known = two_people(*[0.955] * 18, 0.3, 0.3)
    made = calibrate(known, np.zeros(20, int), strangers, 0.003)
    assert made.accept == pytest.approx(0.955, abs=0.001)
    assert made.known_named == pytest.approx(0.9)
    assert 0.003 < made.strangers_named <= 0.02
    assert any("strangers" in line for line in made.warnings)


def test_however_bad_the_pictures_not_every_stranger_is_named():
    strangers = two_people(*np.linspace(0, 0.97, 1000))
    made = calibrate(two_people(*[0.2] * 20), np.zeros(20, int), strangers, 0.003)
    assert made.strangers_named <= 0.02
    assert any("own people" in line for line in made.warnings)


def test_of_strangers_who_are_harder_to_tell_than_real_ones_more_may_be_named():
    """A network from nothing named 7 of 14 faces that it knew best, at a threshold of 0.974."""
    strangers = two_people(*np.linspace(0, 0.97, 1000))
    known, owners = two_people(*[0.85] * 18, 0.3, 0.3), np.zeros(20, int)
    assert calibrate(known, owners, strangers).known_named == 0.0
    made = calibrate(known, owners, strangers, named_if_needed=0.15)
    assert made.known_named == pytest.approx(0.9)
    assert made.accept == pytest.approx(0.85, abs=0.001), "no lower than it needs to be"
    assert any("strangers" in line for line in made.warnings)


def test_few_faces_are_a_warning():
    made = calibrate(two_people(0.9), np.array([0]), two_people(*[0.1] * 10))
    assert any("1 pictures of known" in line for line in made.warnings)
    assert any("--background" in line for line in made.warnings)


def test_many_variations_of_few_pictures_are_few_pictures():
    known, strangers = two_people(*[0.95] * 200), two_people(*np.linspace(0, 0.5, 1000))
    made = calibrate(known, np.zeros(200, int), strangers, pictures=4, real_strangers=0)
    assert any("4 pictures of known" in line for line in made.warnings)
    assert any("0 faces of strangers" in line for line in made.warnings)
    assert calibrate(known, np.zeros(200, int), strangers).warnings == ()


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
    centers = random.normal(0, 0.0625, (people, 128))
    strangers = made_up_strangers(centers, 2000, Spread(), random)
    nearest = np.linalg.norm(strangers[:, None] - centers[None], axis=2).min(1)
    expected = {1: 0.505, 3: 0.46, 30: 0.395}[people]
    assert np.median(nearest) == pytest.approx(expected, abs=0.02)


def test_other_pictures_stay_around_their_person():
    random = np.random.default_rng(0)
    face = np.zeros((3000, 128), np.float32)
    moved = np.linalg.norm(other_pictures(face, Spread(), random), axis=1)
    assert moved.max() < 0.53
    assert 0.07 < np.median(moved) < 0.21
