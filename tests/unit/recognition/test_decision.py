"""Who is named, and who is not: pure decisions from numbers."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from contract.results import Status
from recognition import Settings
from recognition.custom_model import Thresholds
from recognition.decision import (
    UNSEEN,
    decide_custom,
    decide_online,
    final_person,
    models_agree,
)
from recognition.settings import InvalidSettings

PEOPLE = ("ada", "bob", "cy")
SETTINGS = Settings()
ACCEPT = SETTINGS.accept_distance_among(len(PEOPLE))
SURE = ACCEPT - SETTINGS.sure_slack
CANDIDATE = ACCEPT + SETTINGS.candidate_slack
THRESHOLDS = Thresholds(accept=0.8, candidate=0.5, margin=0.2)


def online(*frames: tuple[float, ...], weights=None, people=PEOPLE):
    return decide_online(people, np.array(frames), weights or [1.0] * len(frames), SETTINGS)


def custom(*frames: tuple[float, ...], weights=None):
    weights = weights or [1.0] * len(frames)
    return decide_custom(PEOPLE, np.array(frames), weights, THRESHOLDS, SETTINGS)


def test_near_face_is_named_at_once():
    verdict = online((SURE - 0.01, 0.8, 0.9))
    assert (verdict.status, verdict.person_id) == (Status.RECOGNIZED, "ada")
    assert verdict.is_sure
    assert verdict.score > 0.8
    assert verdict.distance == pytest.approx(SURE - 0.01, abs=1e-4)


def test_acceptable_face_is_named_but_more_frames_are_wanted():
    verdict = online((ACCEPT - 0.01, 0.8, 0.9))
    assert verdict.person_id == "ada"
    assert not verdict.is_sure


def test_candidate_is_not_named_yet():
    verdict = online((ACCEPT + 0.02, 0.8, 0.9))
    assert (verdict.status, verdict.person_id, verdict.nearest) == (Status.UNKNOWN, None, "ada")
    assert not verdict.is_sure
    assert verdict.score < 0.6


def test_stranger_is_unknown_and_after_some_frames_surely_so():
    far = (CANDIDATE + 0.05, 0.9, 0.9)
    assert not online(far, far).is_sure
    verdict = online(far, far, far)
    assert verdict.person_id is None
    assert verdict.is_sure


def test_two_people_equally_near_give_no_name():
    assert online((0.25, 0.25, 0.9)).person_id is None
    assert online((0.25, 0.25 + SETTINGS.margin / 2, 0.9)).person_id is None


def test_frames_that_tie_give_no_name():
    assert online((0.2, 0.4, 0.9), (0.4, 0.2, 0.9)).person_id is None


def test_heavier_frames_win_the_vote():
    frames = (0.25, 0.42, 0.9), (0.42, 0.36, 0.9)
    assert online(*frames, weights=[1.0, 0.1]).person_id == "ada"
    assert online(*frames, weights=[0.1, 1.0]).person_id != "ada"


def test_one_bad_frame_among_good_ones_does_no_harm():
    good, bad = (0.3, 0.6, 0.6), (0.48, 0.5, 0.6)
    assert online(good, good, bad, good, weights=[1, 1, 0.3, 1]).person_id == "ada"


def test_mean_over_several_frames_may_be_a_little_farther():
    hard = (ACCEPT + SETTINGS.several_slack / 2, 0.8, 0.9)
    assert online(hard).person_id is None
    assert online(hard, hard, hard).person_id == "ada"


def test_several_candidate_frames_do_not_add_up_to_a_name():
    hard = (ACCEPT + 0.02, 0.8, 0.9)
    assert online(hard, hard, hard, hard, hard).person_id is None


def test_only_person_enrolled_needs_no_lead():
    assert online((0.3,), people=("ada",)).person_id == "ada"


def test_nobody_enrolled():
    assert decide_online((), np.zeros((2, 0)), [1, 1], SETTINGS) == UNSEEN


def test_more_people_need_nearer_faces():
    accepted = [SETTINGS.accept_distance_among(count) for count in (0, 1, 10, 100, 10**9)]
    assert accepted[0] == accepted[1] == SETTINGS.accept_distance
    assert accepted == sorted(accepted, reverse=True)
    assert accepted[-1] >= 0.2


def test_a_score_means_the_same_for_every_gallery_size():
    at_accept = [
        SETTINGS.probability_of_right(SETTINGS.accept_distance_among(people), people)
        for people in (1, 3, 30, 300)
    ]
    assert at_accept == pytest.approx([at_accept[0]] * 4)
    nearer = SETTINGS.accept_distance - 0.1
    assert SETTINGS.probability_of_right(nearer, 1) > 0.99
    assert SETTINGS.probability_of_right(nearer, 1000) < SETTINGS.probability_of_right(nearer, 1)
    assert SETTINGS.probability_of_right(2.0, 1) == pytest.approx(0, abs=1e-9)


def test_custom_model_names_and_is_never_sure():
    verdict = custom((0.9, 0.05, 0.02))
    assert (verdict.person_id, verdict.score, verdict.distance) == ("ada", 0.9, None)
    assert not verdict.is_sure


@pytest.mark.parametrize(
    "row",
    [(0.7, 0.1, 0.1), (0.1, 0.1, 0.1), (0.0, 0.0, 0.0)],
    ids=["below accept", "mass of nobody", "nothing at all"],
)
def test_custom_model_can_say_unknown(row):
    assert custom(row).person_id is None


def test_custom_models_doubt_between_two_gives_no_name():
    assert custom((0.5, 0.5, 0.0)).person_id is None
    assert custom((0.99, 0.0, 0.0), (0.0, 0.99, 0.0)).person_id is None


NAMES_ADA, NAMES_BOB = online((0.2, 0.8, 0.9)), online((0.8, 0.2, 0.9))
LEANS_TO_ADA = online((ACCEPT + 0.02, 0.8, 0.9))
SEES_A_STRANGER = online((CANDIDATE + 0.1, 0.9, 0.9))
CUSTOM_ADA, CUSTOM_NOBODY = custom((0.9, 0.0, 0.0)), custom((0.3, 0.3, 0.3))


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        (NAMES_ADA, CUSTOM_ADA, "ada"),
        (NAMES_ADA, CUSTOM_NOBODY, "ada"),
        (NAMES_ADA, UNSEEN, "ada"),
        (LEANS_TO_ADA, CUSTOM_ADA, "ada"),
        (NAMES_BOB, CUSTOM_ADA, None),
        (SEES_A_STRANGER, CUSTOM_ADA, None),
        (SEES_A_STRANGER, CUSTOM_NOBODY, None),
        (LEANS_TO_ADA, UNSEEN, None),
    ],
)
def test_final_person(one, other, named):
    assert final_person(one, other, PEOPLE, SETTINGS) == named


def test_custom_model_alone_cannot_name_somebody_whose_pictures_look_different():
    leans_to_bob = online((0.9, ACCEPT + 0.02, 0.9))
    assert final_person(leans_to_bob, CUSTOM_ADA, PEOPLE, SETTINGS) is None


def test_custom_model_alone_cannot_name_a_stranger_who_is_a_mere_candidate():
    """Four pictures of one stranger in a hundred were named by it, at 0.02 to 0.05 beyond."""
    a_candidate = online((ACCEPT + 0.024, 0.9, 0.9))
    assert final_person(a_candidate, CUSTOM_ADA, PEOPLE, SETTINGS) is None


def test_without_a_gallery_the_custom_model_decides():
    assert final_person(UNSEEN, CUSTOM_ADA, (), SETTINGS) == "ada"


def test_agreement_is_about_the_name_or_about_nobody():
    assert models_agree(NAMES_ADA, CUSTOM_ADA)
    assert models_agree(SEES_A_STRANGER, CUSTOM_NOBODY)
    assert not models_agree(NAMES_ADA, CUSTOM_NOBODY)
    assert not models_agree(NAMES_BOB, CUSTOM_ADA)


def test_settings_out_of_bounds_are_named():
    with pytest.raises(InvalidSettings, match="accept_distance=3"):
        Settings(accept_distance=3)


def test_every_setting_has_bounds_around_its_default_and_a_description():
    found = fields(Settings)
    assert len(found) > 10
    for one in found:
        assert one.metadata["low"] <= one.default <= one.metadata["high"], one.name
        assert one.metadata["description"].endswith("."), one.name
