"""Clips that are cut: who comes after the cut is somebody else, however well placed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.regions import has_another


def frame_with(face: np.ndarray | None, height: int = 400) -> np.ndarray:
    frame = np.full((480, 640, 3), 140, np.uint8)
    if face is not None:
        scale = height / face.shape[0]
        part = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        part = part[:480, :600]
        frame[20 : 20 + part.shape[0], 150 : 150 + part.shape[1]] = part[:460]
    return frame


def test_a_cut_from_a_stranger_to_a_friend_merges_nobody(recognizer, gallery, encode, portraits):
    hopper, obama = frame_with(portraits["hopper"]), frame_with(portraits["obama-2009"])
    found = recognizer.recognize(encode([hopper] * 4 + [obama] * 11), gallery, None)
    assert sorted(str(face.person_id) for face in found.faces) == ["None", "barack-obama"]


def test_a_cut_from_a_friend_to_a_stranger_names_no_stranger(
    recognizer, gallery, encode, portraits
):
    hopper, obama = frame_with(portraits["hopper"]), frame_with(portraits["obama-2009"])
    found = recognizer.recognize(encode([obama] * 4 + [hopper] * 11), gallery, None)
    named = [face for face in found.faces if face.person_id]
    assert [face.person_id for face in named] == ["barack-obama"]
    assert named[0].online.distance < 0.33  # no mean over two people


@pytest.mark.parametrize("cut", [8, 11, 13])
def test_a_friend_in_a_settled_strangers_place_is_named_however_late_the_cut(
    recognizer, gallery, encode, portraits, cut
):
    """Three frames settle a stranger; nobody looked at that place again."""
    hopper, obama = frame_with(portraits["hopper"]), frame_with(portraits["obama-2009"])
    found = recognizer.recognize(encode([hopper] * cut + [obama] * (15 - cut)), gallery, None)
    assert sorted(str(face.person_id) for face in found.faces) == ["None", "barack-obama"]


def test_who_talks_and_moves_is_not_looked_for_twice(recognizer, gallery, encode, portraits):
    """What a person does in half a second is no cut: it costs no second look, and no face."""
    obama = frame_with(portraits["obama-2009"])
    frames = [np.roll(obama, (n, 3 * n), (0, 1)) for n in range(15)]
    assert not has_another(frames[-1], frames[0], recognizer.look(frames[0])[0].box)
    found = recognizer.recognize(encode(frames), gallery, None)
    assert [face.person_id for face in found.faces] == ["barack-obama"]


def test_a_stranger_in_a_settled_friends_place_is_a_face_of_their_own(
    recognizer, gallery, encode, portraits
):
    hopper, obama = frame_with(portraits["hopper"]), frame_with(portraits["obama-2009"])
    found = recognizer.recognize(encode([obama] * 8 + [hopper] * 7), gallery, None)
    assert sorted(str(face.person_id) for face in found.faces) == ["None", "barack-obama"]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_how_a_picture_must_be_turned_is_right_for_everybody(recognizer, portraits, quarters):
    """Some faces are seen on their side, too: an upside-down camera was to be turned by 90."""
    told = {
        name: recognizer.turned_by(np.ascontiguousarray(np.rot90(frame_with(rgb), quarters)))
        for name, rgb in portraits.items()
    }
    assert told == dict.fromkeys(portraits, 90 * quarters)


@pytest.mark.parametrize(("quarters", "degrees"), [(1, 90), (2, 180), (3, 270)])
def test_a_camera_mounted_wrong_is_told(recognizer, gallery, encode, portraits, quarters, degrees):
    turned = np.ascontiguousarray(np.rot90(frame_with(portraits["obama-2010"]), quarters))
    found = recognizer.recognize(encode([turned] * 4), gallery, None)
    assert found.faces == ()
    assert f"by {degrees} degrees" in (found.reason or "")
