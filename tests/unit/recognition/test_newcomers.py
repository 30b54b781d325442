"""People who come in while a clip runs, beside somebody who was recognized at once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from contract.results import Box
from recognition import Settings
from recognition.pyramid import Region
from recognition.regions import regions_that_changed


def room() -> np.ndarray:
    """640x480 with soft patches everywhere: neither plain nor like a face."""
    patches = np.random.default_rng(0).integers(90, 150, (60, 80, 3)).astype(np.uint8)
    return cv2.resize(patches, (640, 480), interpolation=cv2.INTER_CUBIC)


def with_face(
    frame: np.ndarray, portrait: np.ndarray, face: Box, face_px: int, center: tuple[int, int]
) -> np.ndarray:
    """The frame with the portrait in it, its `face` so large and its middle at (x, y)."""
    scale = face_px / (face.bottom - face.top)
    part = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left = center[0] - round((face.left + face.right) / 2 * scale)
    top = center[1] - round((face.top + face.bottom) / 2 * scale)
    shown, cut = frame.copy(), (max(0, -top), max(0, -left))
    place = shown[max(0, top) : top + part.shape[0], max(0, left) : left + part.shape[1]]
    place[:] = part[cut[0] : cut[0] + place.shape[0], cut[1] : cut[1] + place.shape[1]]
    return shown


@pytest.fixture(scope="module")
def show(recognizer, portraits):
    """A picture with somebody added: `show(frame, name, face_px, (x, y))`."""
    boxes = {name: recognizer.observe(rgb)[0].box for name, rgb in portraits.items()}

    def shown(frame: np.ndarray, name: str, face_px: int, center: tuple[int, int]) -> np.ndarray:
        return with_face(frame, portraits[name], boxes[name], face_px, center)

    return shown


def names(found) -> list[str]:
    return sorted(str(face.person_id) for face in found.faces)


def test_somebody_who_comes_in_once_the_first_is_settled_is_named(
    recognizer, gallery, encode, show
):
    alone = show(room(), "obama-2010", 180, (160, 200))
    both = show(alone, "biden-2010", 120, (480, 200))
    found = recognizer.recognize(encode([alone] * 8 + [both] * 7), gallery, None)
    assert names(found) == ["barack-obama", "joe-biden"]


def test_a_stranger_who_comes_in_beside_a_settled_friend_is_a_face_of_their_own(
    recognizer, gallery, encode, show
):
    alone = show(room(), "obama-2010", 180, (160, 200))
    both = show(alone, "hopper", 120, (480, 200))
    found = recognizer.recognize(encode([alone] * 12 + [both] * 3), gallery, None)
    assert names(found) == ["None", "barack-obama"]


@pytest.mark.parametrize("enters", [2, 5])
def test_a_friend_who_comes_in_before_the_stranger_beside_is_settled_is_named(
    recognizer, gallery, encode, show, enters
):
    """A stranger takes three frames; whoever came in meanwhile was in the third and the last, and
    nothing had changed between those two."""
    alone = show(room(), "hopper", 170, (160, 240))
    both = show(alone, "obama-2010", 110, (480, 200))
    found = recognizer.recognize(encode([alone] * enters + [both] * (15 - enters)), gallery, None)
    assert names(found) == ["None", "barack-obama"]


@pytest.mark.parametrize(("first_px", "then_px"), [(200, 110), (110, 200)])
def test_after_a_cut_somebody_of_another_size_in_the_same_place_is_a_face_of_their_own(
    recognizer, gallery, encode, show, first_px, then_px
):
    before = show(room(), "obama-2010", first_px, (320, 240))
    after = show(room(), "joe-biden", then_px, (330, 240))
    found = recognizer.recognize(encode([before] * 8 + [after] * 7), gallery, None)
    assert names(found) == ["barack-obama", "joe-biden"]


def test_nobody_is_two_people_because_they_moved(recognizer, gallery, encode, show):
    frames = [show(room(), "obama-2010", 160, (160 + 20 * n, 200)) for n in range(15)]
    found = recognizer.recognize(encode(frames), gallery, None)
    assert names(found) == ["barack-obama"]


@pytest.mark.parametrize("name", ["collins", "hopper", "biden-2010", "obama-2009"])
@pytest.mark.parametrize("face_px", [80, 100])
def test_a_second_person_much_farther_away_is_found_beside_the_first(
    recognizer, show, name, face_px
):
    first = show(room(), "obama-2010", 220, (180, 230))
    found = recognizer.look(show(first, name, face_px, (520, 160)))
    assert [seen.box.left > 400 for seen in found] == [False, True]


@pytest.mark.parametrize("name", ["collins", "hopper", "obama-2009"])
@pytest.mark.parametrize(("first_px", "face_px"), [(90, 50), (110, 60)])
def test_whoever_sits_behind_in_a_group_far_away_is_found(
    recognizer, show, name, first_px, face_px
):
    """Somebody found at once once ended the search, however small the others were."""
    group = show(show(room(), "obama-2010", first_px, (120, 200)), name, face_px, (320, 180))
    found = recognizer.look(show(group, "biden-2010", face_px, (520, 200)))
    assert sorted(seen.box.left // 213 for seen in found) == [0, 1, 2]


@pytest.mark.parametrize("face_px", [50, 77, 87, 97])
def test_a_small_face_that_comes_in_late_is_found(recognizer, gallery, encode, show, face_px):
    later = show(room(), "collins", face_px, (300, 200))
    found = recognizer.recognize(encode([room()] * 10 + [later] * 5), gallery, None)
    assert names(found) == ["eileen-collins"]


@pytest.mark.parametrize("face_px", [240, 300, 380])
def test_a_large_face_in_too_much_light_is_found(recognizer, show, face_px):
    """The proposal network knows no such light; the original does."""
    frame = show(room(), "collins", face_px, (320, 240)).astype(np.float32) * 1.35
    assert len(recognizer.look(np.clip(frame, 0, 255).astype(np.uint8))) == 1


def test_a_large_face_in_the_dark_is_found_though_proposed_in_the_wrong_place(recognizer, show):
    """Something was proposed, nothing of it was a face: the search ended there."""
    frame = show(room(), "joe-biden", 160, (320, 240)).astype(np.float32) / 20
    frame += np.random.default_rng(0).normal(0, 2.5, frame.shape)
    assert len(recognizer.look(np.clip(frame, 0, 255).astype(np.uint8))) == 1


def test_noise_and_a_lamp_are_no_change_and_what_came_in_is():
    noise = np.random.default_rng(1)
    before = room()
    lit = np.clip(before * 1.0 + 25 + noise.normal(0, 5, before.shape), 0, 255).astype(np.uint8)
    change = Settings().change_contrast
    assert regions_that_changed(lit, before, [], change) == []
    lit[200:280, 400:470] = 20
    (region,) = regions_that_changed(lit, before, [], change)
    assert region.left <= 400 < 470 <= region.right
    assert region.top <= 200 < 280 <= region.bottom
    assert isinstance(region, Region)
