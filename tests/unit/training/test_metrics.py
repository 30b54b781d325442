import numpy as np
import pytest

from training.evaluation.answers import ModelAnswer
from training.evaluation.metrics import Comparisons, compare, figures, interval

PEOPLE = ("ada", "bob")


def answer(truth, named, nearest, *scores):
    return ModelAnswer(truth, named, nearest, np.array(scores), ())


def test_true_accepts_allow_exactly_the_share_of_false_ones():
    impostor = np.arange(1000) / 1000  # 0.000 … 0.999
    genuine = np.array([0.9885, 0.9895, 0.9905, 0.9985])
    comparisons = Comparisons(genuine, impostor)
    # 1 % of 1000 may pass: those at 0.990 and above; genuine must beat 0.989.
    assert comparisons.true_accepts(0.01) == 0.75
    assert comparisons.true_accepts(0.001) == 0.25
    assert comparisons.true_accepts(1.0) == 1.0


def test_with_few_impostors_no_false_accept_is_allowed():
    comparisons = Comparisons(np.array([0.4, 0.6]), np.array([0.5]))
    assert comparisons.true_accepts(0.001) == 0.5


def test_equal_scores_are_not_accepted():
    assert Comparisons(np.array([0.5]), np.array([0.5] * 100)).true_accepts(0.01) == 0.0


def test_nothing_to_compare_is_no_figure():
    nothing, some = np.zeros(0), np.array([0.5])
    assert Comparisons(nothing, some).true_accepts(0.01) is None
    assert Comparisons(some, nothing).true_accepts(0.01) is None
    assert Comparisons(nothing, some).curve() == []


def test_a_missing_face_counts_against_whoever_was_asked_about():
    answers = [answer("ada", "ada", "ada", 0.9, 0.1)]
    comparisons = compare(answers, PEOPLE, missed=1)
    assert comparisons.true_accepts(0.01) == 0.5
    made = figures(answers, PEOPLE, {"ada": 1}, 1, 4)
    assert (made["rank1"], made["rank1_of_found"], made["no_detection_rate"]) == (0.5, 1.0, 0.25)


def test_figures_tell_names_from_ranks_and_strangers_from_people():
    answers = [
        answer("ada", "ada", "ada", 0.9, 0.1),
        answer("ada", None, "ada", 0.5, 0.1),  # right, but not sure enough
        answer("bob", "ada", "ada", 0.8, 0.2),  # wrong
        answer("bob", None, "ada", 0.4, 0.3),
        answer(None, None, "ada", 0.3, 0.1),
        answer(None, "bob", "bob", 0.3, 0.9),
    ]
    made = figures(answers, PEOPLE, {None: 1}, 1, 10)
    assert made["rank1"] == 0.5
    assert made["named_right"] == 0.25
    assert made["named_wrong"] == 0.25
    assert made["stranger_rejection"] == 0.5
    assert made["confusion"]["rows"] == ["ada", "bob", "(stranger)"]
    assert made["confusion"]["columns"] == ["ada", "bob", "(unknown)", "(no face)"]
    assert made["confusion"]["counts"] == [[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 1, 1]]


def test_a_person_the_model_does_not_know_is_a_miss():
    answers = [answer("cyd", None, "ada", 0.3, 0.1)]
    made = figures(answers, PEOPLE, {}, 0, 1)
    assert made["rank1"] == 0.0
    assert made["tar_at_far_1pct"] == 0.0


def test_a_few_right_answers_prove_little():
    low, high = interval(10, 10)
    assert low == pytest.approx(0.722, abs=0.001)
    assert high == 1.0
    assert interval(0, 0) is None
