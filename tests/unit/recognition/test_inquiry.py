"""Both models' word on one face: when it is enough, and what is withheld."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contract.results import Status
from recognition import Gallery, Settings
from recognition.custom_model import Thresholds
from recognition.inquiry import Inquiry, one_of_each
from recognition.tracking import Track
from tests.unit.recognition.test_tracking import ADA, BOB, person, seen

SETTINGS = Settings()
GALLERY = Gallery.of(["ada", "bob"], np.stack([ADA, BOB]))
EVE = person(9)


class Custom:
    """A custom model that is sure of one person, or of nobody."""

    labels = ("ada", "bob")
    thresholds = Thresholds(0.8, 0.5, 0.2)

    def __init__(self, person_id: str | None) -> None:
        self._row = np.array([float(one == person_id) for one in self.labels])
        self.asked = 0

    def probabilities(self, embedding: np.ndarray, chip: np.ndarray) -> np.ndarray:
        self.asked += 1
        return self._row


def inquiry(custom: str | Custom | None = None, measure=Gallery.distances) -> Inquiry:
    model = Custom(custom) if isinstance(custom, str) else custom
    return Inquiry(GALLERY, model, SETTINGS, measure)


def track(*faces, start: int = 0) -> Track:
    return Track(list(faces), list(range(start, start + len(faces))))


STRANGER = track(*[seen(EVE)] * SETTINGS.sure_unknown_frames)


@pytest.mark.parametrize(
    ("faces", "custom", "is_settled"),
    [
        (track(seen(ADA)), None, True),
        (track(seen(ADA)), "ada", True),
        (track(seen(ADA)), "bob", False),
        (track(seen(ADA)), Custom(None), True),
        (STRANGER, None, True),
        (STRANGER, Custom(None), True),
        (STRANGER, "ada", False),
        (track(seen(EVE)), None, False),
        (track(seen(ADA, shortcoming="blurred")), None, False),
    ],
)
def test_another_frame_is_asked_for_unless_both_models_have_said_all(faces, custom, is_settled):
    assert inquiry(custom).is_settled(faces) == is_settled


def test_an_answer_is_of_the_best_picture_and_of_all():
    poor, best = seen(ADA, left=10, shortcoming="blurred"), seen(ADA, left=200, size=120)
    answer = inquiry("ada").answer(track(poor, best))
    assert (answer.status, answer.person_id, answer.agree) == (Status.RECOGNIZED, "ada", True)
    assert (answer.box, answer.size_px, answer.blur) == (best.box, 120, 30.0)
    assert (answer.frames_used, answer.detection_score, answer.shortcoming) == (2, 1.0, None)


def test_models_that_name_two_people_name_nobody():
    answer = inquiry("bob").answer(track(seen(ADA)))
    assert (answer.status, answer.person_id, answer.agree) == (Status.UNKNOWN, None, False)
    assert (answer.online.person_id, answer.custom.person_id) == ("ada", "bob")


def test_a_face_too_poor_to_be_named_has_a_nearest_and_no_name_in_either_model():
    answer = inquiry("ada").answer(track(seen(ADA, shortcoming="blurred")))
    assert (answer.status, answer.person_id) == (Status.LOW_QUALITY, None)
    assert answer.shortcoming == "blurred"
    assert answer.agree
    for verdict in (answer.online, answer.custom):
        assert (verdict.status, verdict.person_id) == (Status.LOW_QUALITY, None)
        assert verdict.nearest == "ada"


@pytest.mark.parametrize(("darker", "person_id"), [(0.0, "ada"), (0.1, None)])
def test_in_poor_light_a_face_must_lie_nearer(darker, person_id):
    """At one threshold three times as many strangers were named in the dark."""
    accept = SETTINGS.accept_distance_among(2)
    face = seen(ADA)
    contrast = SETTINGS.dim_contrast - darker
    face = replace(face, quality=replace(face.quality, contrast=contrast))
    just = SETTINGS.dim_slack / 2
    answer = inquiry(measure=lambda *_: np.array([accept - just, 1.0])).answer(track(face))
    assert answer.person_id == person_id
    assert answer.online.distance == pytest.approx(accept + (just if darker else -just), abs=1e-4)


def test_poor_pictures_have_no_say_beside_good_ones():
    poor = seen(BOB, shortcoming="blurred")
    assert inquiry().answer(track(poor, poor, seen(ADA))).person_id == "ada"


def test_each_model_is_asked_once_of_each_picture_however_often_it_is_weighed():
    asked: list[np.ndarray] = []

    def measure(gallery: Gallery, embedding: np.ndarray) -> np.ndarray:
        asked.append(embedding)
        return gallery.distances(embedding)

    custom = Custom("ada")
    both = inquiry(custom, measure)
    faces = track(seen(ADA), seen(ADA))
    both.is_settled(faces)
    both.answer(faces)
    assert (len(asked), custom.asked) == (2, 2)
    faces.add(seen(ADA), 5)
    both.answer(faces)
    assert (len(asked), custom.asked) == (3, 3)


def test_the_surer_of_two_faces_in_one_frame_keeps_the_name():
    answer = inquiry("ada").answer(track(seen(ADA)))
    unsure = replace(answer, online=replace(answer.online, score=0.6))
    for faces in ([answer, unsure], [unsure, answer]):
        kept = one_of_each([track(seen(ADA)), track(seen(ADA))], faces)
        by_score = sorted(kept, key=lambda face: face.online.score)
        assert [face.person_id for face in by_score] == [None, "ada"]
        without = by_score[0]
        assert (without.status, without.agree) == (Status.UNKNOWN, True)
        for verdict in (without.online, without.custom):
            assert (verdict.status, verdict.person_id) == (Status.UNKNOWN, None)
        assert by_score[1] == answer


def test_the_custom_model_s_certainty_counts_as_much():
    answer = inquiry("ada").answer(track(seen(ADA)))
    unsure = replace(answer, custom=replace(answer.custom, score=0.1))
    kept = one_of_each([track(seen(ADA)), track(seen(ADA))], [unsure, answer])
    assert [face.person_id for face in kept] == [None, "ada"]


def test_the_same_face_lost_and_found_again_is_one():
    answer = inquiry().answer(track(seen(ADA)))
    later = replace(answer, online=replace(answer.online, score=0.6))
    kept = one_of_each([track(seen(ADA)), track(seen(ADA), start=7)], [answer, later])
    assert kept == [answer]


def test_faces_and_tracks_that_do_not_belong_together_are_a_fault():
    answer = inquiry().answer(track(seen(ADA)))
    with pytest.raises(ValueError, match="longer"):
        one_of_each([track(seen(ADA))], [answer] * 2)
