"""Thresholds at their very edges: what just suffices names somebody, a hair less does not."""

from __future__ import annotations

import numpy as np
import pytest

from contract.results import Status
from recognition import Settings
from recognition.custom_model import Thresholds
from recognition.decision import UNSEEN, Verdict, decide_custom, decide_online, final_person
from recognition.tracking import Track, owner_of
from tests.unit.recognition.test_tracking import ADA, seen

SETTINGS = Settings()
PEOPLE = ("ada", "bob")
ACCEPT = SETTINGS.accept_distance_among(2)
HAIR = 1e-9


def online(*frames: tuple[float, ...], weights=None, settings=SETTINGS):
    return decide_online(PEOPLE, np.array(frames), weights or [1.0] * len(frames), settings)


def custom(*frames: tuple[float, ...], weights=None, **changed: float):
    limits = Thresholds(**({"accept": 0.75, "candidate": 0.5, "margin": 0.25} | changed))
    weights = weights or [1.0] * len(frames)
    return decide_custom(PEOPLE, np.array(frames), weights, limits, SETTINGS)


def test_a_face_at_the_accepted_distance_itself_is_named():
    assert online((ACCEPT, 0.9)).person_id == "ada"
    assert online((ACCEPT + HAIR, 0.9)).person_id is None


def test_a_lead_of_the_margin_itself_is_enough():
    exact = Settings(margin=0.0625)
    assert online((0.25, 0.3125), settings=exact).person_id == "ada"
    assert online((0.25, 0.3125 - HAIR), settings=exact).person_id is None


def test_a_distance_that_is_sure_is_so_at_its_edge_too():
    edge = ACCEPT - SETTINGS.sure_slack
    assert online((edge, 0.9)).is_sure
    assert not online((edge + 1e-6, 0.9)).is_sure


def test_a_near_face_that_is_not_named_is_not_sure_either():
    twins = online((0.1, 0.1))
    assert (twins.person_id, twins.is_sure) == (None, False)


def test_a_face_that_nobody_votes_for_has_a_nearest_and_no_name():
    far = online((1.2, 0.8), (1.1, 0.8))
    assert (far.nearest, far.person_id, far.status) == ("bob", None, Status.UNKNOWN)
    assert far.distance == pytest.approx(0.8)
    assert not far.is_sure


def test_a_stranger_is_sure_after_the_number_of_frames_that_the_settings_say_and_not_before():
    enough = SETTINGS.sure_unknown_frames
    assert online(*[(0.9, 0.95)] * enough).is_sure
    assert not online(*[(0.9, 0.95)] * (enough - 1)).is_sure
    one_vote = online((0.2, 0.95), *[(0.9, 0.95)] * enough)
    assert not one_vote.is_sure


def test_the_share_of_the_vote_is_one_of_weights_not_of_frames():
    share = SETTINGS.vote_share
    frames = ((0.2, 0.5), (0.4, 0.3))
    assert online(*frames, weights=[share, 1 - share]).person_id == "ada"
    less = online(*frames, weights=[share - 0.01, 1.01 - share])
    assert less.person_id is None
    as_little = online(*frames, weights=[3 * (share - 0.01), 3 * (1.01 - share)])
    assert as_little.person_id is None


def test_the_custom_model_names_at_the_share_of_the_vote_itself():
    frames, share = ((0.95, 0.0), (0.45, 0.5)), SETTINGS.vote_share
    limits = {"accept": 0.5, "margin": 0.0}
    assert custom(*frames, weights=[share, 1 - share], **limits).person_id == "ada"
    assert custom(*frames, weights=[share - 0.01, 1.01 - share], **limits).person_id is None


def test_a_vote_counts_from_the_candidates_threshold_on():
    at_the_edge = custom((0.5, 0.1), (0.95, 0.02), accept=0.7)
    assert at_the_edge.person_id == "ada"
    assert custom((0.5, 0.0), accept=0.5).person_id == "ada"
    alone = custom((0.5 - HAIR, 0.0), accept=0.0)
    assert (alone.person_id, alone.nearest) == (None, "ada")


def test_the_custom_model_names_at_its_threshold_and_margin_themselves():
    assert custom((0.75, 0.25)).person_id == "ada"
    assert custom((0.75 - HAIR, 0.25)).person_id is None
    assert custom((0.75, 0.5)).person_id == "ada"
    assert custom((0.75, 0.5 + HAIR)).person_id is None


@pytest.mark.parametrize(("row", "score"), [((1.5, 0.0), 1.0), ((-0.5, -0.6), 0.0)])
def test_a_score_is_a_share_whatever_a_model_gives(row, score):
    assert custom(row).score == score


def test_scores_and_distances_are_told_to_four_places():
    verdict = online((0.123456789, 0.9))
    assert verdict.distance == 0.1235
    assert verdict.score == round(verdict.score, 4)
    assert custom((0.987654321, 0.0)).score == 0.9877


def test_unseen_is_a_sure_unknown():
    assert Verdict(Status.UNKNOWN, None, 0.0, None, None, is_sure=True) == UNSEEN


def leaning(distance: float | None) -> Verdict:
    return Verdict(Status.UNKNOWN, None, 0.3, distance, "ada")


ADA_BY_CUSTOM = Verdict(Status.RECOGNIZED, "ada", 0.9, None, "ada")


def test_the_online_model_doubts_up_to_its_slack_and_no_farther():
    edge = SETTINGS.accept_distance_among(len(PEOPLE)) + SETTINGS.doubt_slack
    assert final_person(leaning(edge), ADA_BY_CUSTOM, PEOPLE, SETTINGS) == "ada"
    assert final_person(leaning(edge + HAIR), ADA_BY_CUSTOM, PEOPLE, SETTINGS) is None
    assert final_person(leaning(None), ADA_BY_CUSTOM, PEOPLE, SETTINGS) is None


def test_a_single_person_enrolled_may_contradict():
    far = leaning(1.0)
    assert final_person(far, ADA_BY_CUSTOM, ("ada",), SETTINGS) is None


class TestPlaces:
    """Where a face was, and as large."""

    def test_a_box_is_as_large_up_to_its_factor(self):
        track = Track([seen(ADA, size=100)], [0])
        assert track.is_in_place(seen(ADA, size=130), SETTINGS)
        for size in (161, 62):
            assert not track.is_in_place(seen(ADA, size=size), SETTINGS)

    def test_an_overlap_of_the_setting_itself_is_the_same_place(self):
        track = Track([seen(ADA, left=0, size=100)], [0])
        half = seen(ADA, left=0, size=100)
        assert track.is_in_place(half, Settings(track_overlap=0.9))
        assert not track.is_in_place(seen(ADA, left=80), SETTINGS)

    def test_an_unusable_observation_is_compared_with_only_where_there_is_no_better(self):
        poor, good = seen(-ADA, shortcoming="blurred"), seen(ADA)
        assert Track([poor, good], [0, 1]).looks_away(seen(ADA)) == pytest.approx(0)
        assert Track([poor, good], [0, 1]).looks_away(seen(-ADA)) > 1
        assert Track([poor], [0]).looks_away(seen(-ADA)) == pytest.approx(0)

    def test_a_track_of_poor_pictures_alone_goes_on_by_its_place(self):
        track = Track([seen(-ADA, shortcoming="blurred")], [0])
        assert owner_of(seen(ADA), [track], 1, SETTINGS) is track

    def test_a_face_that_went_on_is_looked_for_where_it_was_last(self):
        track = Track([seen(ADA, left=0)], [0])
        track.add(seen(ADA, left=300), 3)
        assert track.is_in_place(seen(ADA, left=305), SETTINGS)
        assert not track.is_in_place(seen(ADA, left=0), SETTINGS)
        assert owner_of(seen(ADA, left=305), [track], 3, SETTINGS) is None

    def test_a_face_in_its_place_may_look_farther_away_than_one_that_moved(self):
        track = Track([seen(ADA)], [0])
        between = (SETTINGS.track_distance + SETTINGS.track_distance_in_place) / 2
        aside = np.zeros_like(ADA)
        aside[0] = 1.0
        turned = ADA
        for step in np.linspace(0, 2, 2000):
            turned = ADA + step * aside
            if track.looks_away(seen(turned)) >= between:
                break
        assert track.may_hold(seen(turned), SETTINGS)
        assert not track.may_hold(seen(turned, left=500), SETTINGS)

    def test_the_best_picture_is_the_one_with_the_most_weight(self):
        poor, good = seen(ADA, shortcoming="blurred"), seen(ADA)
        assert Track([poor, good, poor], [0, 1, 2]).best is good
        assert Track([poor, good, poor], [0, 1, 2]).usable == [good]

    def test_of_two_that_may_hold_it_the_one_it_is_most_like_does(self):
        like = Track([seen(ADA, left=100)], [0])
        less = Track([seen(ADA + 0.05 * np.ones_like(ADA), left=105)], [0])
        for tracks in ([like, less], [less, like]):
            assert owner_of(seen(ADA, left=102), tracks, 1, SETTINGS) is like
