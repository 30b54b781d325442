"""Strangers made of people's own faces: nobody by the embedding network's judgment, and not to be
told by the traces of the making, for the people's faces have them, too."""

import cv2
import numpy as np
import pytest

from recognition.embedder import distances_between
from training.made_up_faces import MadeUpPerson, another_look


@pytest.fixture(scope="module")
def own(recognizer, photos):
    """(chips, owners): two looks of each of the fixture's people, one of them in a mirror."""
    chips = []
    for path in photos.values():
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        chip = recognizer.look(rgb)[0].chip
        chips += [chip, np.ascontiguousarray(chip[:, ::-1])]
    return chips, np.repeat(np.arange(len(photos)), 2)


def nobody(chips, owners, random):
    return MadeUpPerson.born(owners, len(chips[0]), random).picture(chips, owners, random)


def test_a_stranger_is_nobody_and_another_look_is_the_same_person(own, embedder):
    chips, owners = own
    random = np.random.default_rng(0)
    rows = random.integers(len(chips), size=16)
    looks = [another_look(chips, owners, int(row), random) for row in rows]
    strangers = [nobody(chips, owners, random) for _ in range(16)]
    known = embedder.embed_all(np.array(chips))
    far = distances_between(embedder.embed_all(np.array(looks)), known)
    same = owners[rows][:, None] == owners[None]
    assert np.where(same, far, np.inf).min(1).max() < 0.3
    away = distances_between(embedder.embed_all(np.array(strangers)), known).min(1)
    assert np.median(away) > 0.36
    assert away.min() > 0.2


def test_a_seam_does_not_tell_a_stranger():
    """Of two flat faces of one person the same seams are made as of two people's."""
    chips = [np.full((150, 150, 3), value, np.uint8) for value in (60, 90, 160, 190)]
    owners = np.array([0, 0, 1, 1])
    random = np.random.default_rng(0)
    looks = [another_look(chips, owners, 0, random) for _ in range(60)]
    assert any(len(np.unique(look)) > 2 for look in looks)
    assert all(look.min() >= 60 and look.max() <= 90 for look in looks), "somebody else is in it"


def test_of_one_person_alone_strangers_are_made_too(own):
    chips, owners = own
    made = nobody(chips[:1], owners[:1], np.random.default_rng(0))
    assert (made.shape, made.dtype) == (chips[0].shape, np.uint8)
    assert np.abs(made.astype(int) - chips[0]).mean() > 1


def test_what_is_made_can_be_made_again(own):
    first, second = (nobody(*own, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)


def test_pictures_of_a_made_up_person_are_of_one_person(own, embedder):
    """Or a network would learn to tell apart what is alike."""
    chips, owners = own
    random = np.random.default_rng(3)
    people = [MadeUpPerson.born(owners, len(chips[0]), random) for _ in range(6)]
    faces = [person.picture(chips, owners, random) for person in people for _ in range(4)]
    far = distances_between(*[embedder.embed_all(np.array(faces))] * 2)
    whose = np.repeat(np.arange(6), 4)
    same = whose[:, None] == whose[None]
    assert np.median(far[same & ~np.eye(24, dtype=bool)]) < 0.8 * np.median(far[~same])
