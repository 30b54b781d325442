import numpy as np
import pytest

from training import measure_spread
from training.measure_spread import TooFewPeople, measure, nearest


def test_distances_within_and_between_people():
    ada = np.zeros((3, 128))
    ada[:, 0] = (-0.1, 0.0, 0.1)
    report = measure({"ada": ada, "bob": ada + np.eye(128)[1], "solo": ada[:1]})
    assert (report["people"], report["pictures"]) == (2, 6)
    assert report["within"][0] == pytest.approx((0.1 + 0.1 + 0.2) / 3, abs=1e-3)
    assert report["between"][0] == pytest.approx((1 + 2 * np.sqrt(1.01)) / 3, abs=1e-3)


def test_a_stranger_is_as_near_as_to_the_nearest():
    assert nearest(np.array([[0.0, 3.0]]), np.array([[0.0, 0.0], [0.0, 2.0]])) == [1.0]


def test_one_person_has_no_spread():
    with pytest.raises(TooFewPeople):
        measure({"ada": np.zeros((4, 128))})


def test_the_command_prints_figures_only(dataset, models_dir, capsys):
    arguments = ["--data", str(dataset(3)), "--models", str(models_dir)]
    assert measure_spread.main(arguments) == 0
    told = capsys.readouterr().out
    assert "9 pictures of 3 people" in told
    assert len(told.splitlines()) == 6
