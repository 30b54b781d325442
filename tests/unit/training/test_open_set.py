"""Open-set figures: what is counted, and how sure so few people make it."""

import itertools
from collections import Counter

import numpy as np
import pytest

from training.evaluation.main_figures import PROMISED, promise
from training.evaluation.open_set import (
    OpenSetTrial,
    UnusableLabels,
    detection_error,
    open_set,
    read_labels,
    share_by_subject,
    trials,
)


def known(subject, named, score, nearest=None):
    return OpenSetTrial(subject, True, named, nearest or named or subject, score)


def stranger(subject, score, named=None):
    return OpenSetTrial(subject, False, named, "ada", score)


def test_right_wrong_missed_and_strangers_are_counted_apart():
    asked = [
        known("ada", "ada", -0.2),
        known("ada", None, -0.5),
        known("bob", "ada", -0.3),
        known("bob", "bob", -0.1),
        stranger("eve", -0.6),
        stranger("eve", -0.3, named="ada"),
    ]
    made = open_set(asked)
    counts = {key: (made[key]["count"], made[key]["n"]) for key in made if key != "identified_at"}
    assert counts == {
        "named_right": (2, 4),
        "named_wrong": (1, 4),
        "missed": (1, 4),
        "strangers_named": (1, 2),
    }


def test_ten_pictures_of_one_person_are_not_ten_people():
    one = open_set([known("ada", "ada", -0.2)] * 10 + [known("bob", None, -0.2)] * 10)
    many = open_set([known(f"p{i}", "x" if i % 2 else f"p{i}", -0.2) for i in range(20)])

    def width(made):
        low, high = made["named_right"]["interval_95"]
        return high - low

    assert width(one) >= 2 * width(many)


def test_nobody_wrong_is_not_never_wrong():
    made = open_set([known(f"p{i}", f"p{i}", -0.2) for i in range(30)])
    assert made["named_wrong"]["interval_95"] == (0.0, 0.1)
    assert made["named_right"]["interval_95"] == (0.9, 1.0)


def test_one_person_says_nothing_of_others():
    """Drawn anew, one person is always the same: their share stood there without any doubt."""
    half = open_set([known("ada", "ada", -0.2), known("ada", None, -0.5)])["named_right"]
    assert (half["value"], half["interval_95"]) == (0.5, (0.0, 1.0))


def test_identified_at_allows_so_many_strangers_and_no_more():
    asked = [stranger(f"s{i}", -i / 1000) for i in range(1000)]
    asked += [known("ada", None, -0.0005), known("bob", None, -0.0055), known("cy", None, -0.5)]
    at = open_set(asked)["identified_at"]
    assert at["0.1%"]["count"] == 1  # one stranger above: a score of 0
    assert at["1.0%"]["count"] == 2


def test_a_face_not_found_is_missed_and_a_stranger_without_one_is_no_trial():
    made = trials([], Counter({"ada": 2, None: 3}))
    assert [one.subject for one in made] == ["ada", "ada"]
    assert open_set(made)["missed"]["value"] == 1.0
    assert open_set(made)["strangers_named"]["value"] is None


def test_the_det_curve_falls():
    random = np.random.default_rng(0)
    asked = [known(f"p{i}", None, float(s)) for i, s in enumerate(random.normal(1, 1, 200))]
    asked += [stranger(f"s{i}", float(s)) for i, s in enumerate(random.normal(-1, 1, 200))]
    curve = detection_error(asked)
    assert curve[0][0] == 0
    assert all(a[1] >= b[1] for a, b in itertools.pairwise(curve))


def test_the_det_curve_of_many_strangers_goes_to_its_end():
    asked = [known("ada", None, -0.95)] + [stranger(f"s{i}", -i / 2000) for i in range(2000)]
    curve = detection_error(asked)
    assert curve[-1] == (pytest.approx(1999 / 2000), 0.0)
    assert len(curve) <= 400


def test_a_rate_of_comparisons_is_as_sure_as_its_people_are_many():
    """Twenty matches of one person's pictures are one resemblance, not twenty."""
    clustered = [("ada", 20, 100), *[(f"p{i}", 0, 100) for i in range(19)]]
    spread = [(f"p{i}", 1, 100) for i in range(20)]
    one, many = share_by_subject(clustered, 0), share_by_subject(spread, 0)
    assert one["value"] == many["value"] == 0.01
    assert one["interval_95"][1] >= 2 * many["interval_95"][1]


def test_no_match_in_many_comparisons_is_bounded_by_the_pairs_of_people():
    made = share_by_subject([("ada", 0, 300), ("bob", 0, 300)], 0, digits=6, independent=60)
    assert made == {"value": 0.0, "count": 0, "n": 600, "interval_95": (0.0, 0.05)}


def group(named, people, pictures=1):
    """A group's shares: of so many strangers the first ones are named in every picture."""
    asked = [
        stranger(f"s{i}", -0.2, named="ada" if i < named else None)
        for i in range(people)
        for _ in range(pictures)
    ]
    return open_set([known("ada", "ada", -0.1), *asked])


def test_one_group_above_the_promise_breaks_it_however_good_all_together_are():
    groups = {
        "sex": {"men": group(0, 5000), "women": group(60, 2000)},
        "light": {"dim": group(1, 9)},
    }
    made = promise(groups)
    assert made["kept"] is False
    assert (made["worst"]["group"], made["worst"]["label"]) == ("sex", "women")
    assert made["worst"]["strangers_named"]["count"] == 60
    together = open_set([stranger(f"s{i}", -0.2, "ada" if i < 60 else None) for i in range(20_000)])
    assert together["strangers_named"]["value"] < PROMISED


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ({"sex": {"men": group(0, 1000), "women": group(0, 700)}}, True),
        ({"sex": {"men": group(0, 1000), "women": group(0, 20)}}, None),  # could be any share
        ({"sex": {"men": group(1, 20, pictures=50)}}, None),  # one person's resemblance
        ({"sex": {"men": open_set([known("ada", "ada", -0.1)])}}, None),  # no stranger
        ({}, None),
    ],
)
def test_a_promise_is_kept_or_broken_only_where_there_are_enough_people_to_tell(groups, kept):
    assert promise(groups)["kept"] is kept


def test_labels_are_read_by_person_id(tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("person,skin\nAda Lovelace,II\nbob,\n")
    assert read_labels(table) == {"skin": {"ada-lovelace": "II", "bob": "(none)"}}
    table.write_text("name\nada\n")
    with pytest.raises(UnusableLabels):
        read_labels(table)
