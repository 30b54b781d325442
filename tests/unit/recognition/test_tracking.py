"""A track is one person: another face at the same place is another track."""

from __future__ import annotations

import numpy as np
import pytest

from contract.results import Box, Status
from recognition import Gallery, Settings
from recognition.decision import UNSEEN
from recognition.inquiry import RecognizedFace, one_of_each
from recognition.quality import Quality
from recognition.tracking import FaceObservation, Track, owner_of

SETTINGS = Settings()
RANDOM = np.random.default_rng(0)
COMMON = 1.2 * RANDOM.normal(0, 1 / np.sqrt(128), 128)  # what all embeddings share


def person(seed: int) -> np.ndarray:
    return COMMON + 0.53 * np.random.default_rng(seed).normal(0, 1 / np.sqrt(128), 128)


def seen(
    embedding: np.ndarray, left: int = 100, size: int = 100, shortcoming: str | None = None
) -> FaceObservation:
    quality = Quality(size, 30.0, 40.0, 0.01 if shortcoming else 0.9, shortcoming)
    box = Box(100, left + size, 100 + size, left)
    return FaceObservation(box, 1.0, np.zeros((5, 2)), np.zeros((1, 1, 3)), embedding, quality)


def again(embedding: np.ndarray, moved: float = 0.2) -> np.ndarray:
    return embedding + moved * RANDOM.normal(0, 1 / np.sqrt(128), 128)


ADA, BOB = person(1), person(2)


def test_the_same_face_at_its_place_goes_on():
    track = Track([seen(ADA)], [0])
    assert owner_of(seen(again(ADA), left=110), [track], 3, SETTINGS) is track


def test_another_face_at_the_same_place_is_not_merged():
    track = Track([seen(ADA)], [0])
    assert owner_of(seen(again(BOB)), [track], 3, SETTINGS) is None


def test_a_face_that_moved_far_is_known_by_its_look():
    tracks = [Track([seen(ADA)], [0]), Track([seen(BOB, left=400)], [0])]
    assert owner_of(seen(again(BOB), left=100), tracks, 3, SETTINGS) is tracks[1]


def test_a_face_turns_step_by_step():
    half, whole = ADA + 0.5 * (BOB - ADA), ADA + 0.85 * (BOB - ADA)
    track = Track([seen(ADA)], [0])
    assert owner_of(seen(whole), [track], 3, SETTINGS) is None
    track.add(seen(half), 3)
    assert owner_of(seen(whole), [track], 6, SETTINGS) is track


def test_a_blurred_face_follows_its_place_and_never_a_jump():
    track = Track([seen(ADA)], [0])
    assert owner_of(seen(BOB, shortcoming="blurred"), [track], 3, SETTINGS) is track
    assert owner_of(seen(ADA, left=400, shortcoming="blurred"), [track], 3, SETTINGS) is None


def test_a_much_larger_face_at_the_same_place_must_look_the_same():
    track = Track([seen(ADA)], [0])
    assert not track.is_in_place(seen(ADA, size=180), SETTINGS)


def test_a_track_has_one_observation_a_frame():
    track = Track([seen(ADA)], [3])
    assert owner_of(seen(again(ADA)), [track], 3, SETTINGS) is None


def face(person_id: str | None) -> RecognizedFace:
    status = Status.RECOGNIZED if person_id else Status.UNKNOWN
    return RecognizedFace(
        seen(ADA), Box(0, 9, 9, 0), 1.0, 9, 9.0, 1, status, person_id, UNSEEN, UNSEEN, agree=True
    )


@pytest.mark.parametrize(("frames", "left"), [([0, 3], 2), ([6], 1)])
def test_two_faces_of_one_name_are_one_person_unless_both_were_there(frames, left):
    tracks = [Track([seen(ADA)] * 2, [0, 3]), Track([seen(ADA)] * len(frames), frames)]
    answers = one_of_each(tracks, [face("ada"), face("ada")])
    assert len(answers) == left
    assert [one.person_id for one in answers].count("ada") == 1


def test_strangers_are_kept_apart_from_each_other():
    tracks = [Track([seen(ADA)], [0]), Track([seen(BOB)], [3])]
    assert len(one_of_each(tracks, [face(None), face(None)])) == 2


def test_made_people_are_as_far_apart_as_real_ones():
    gallery = Gallery.of(["ada"], ADA[None])
    assert 0.42 < gallery.distances(BOB)[0] < 0.7
    assert gallery.distances(again(ADA))[0] < 0.3
