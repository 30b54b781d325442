"""The device's own look at a picture is the function's: the same models, on whole pictures."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from device.portraits import faces
from device.portraits.decoding import Picture


def picture(rgb: np.ndarray) -> Picture:
    height, width = rgb.shape[:2]
    # What of a picture is asked for here; the decoded one needs a frame of PyAV.
    return cast(Picture, SimpleNamespace(width=width, height=height, rgb=lambda: rgb))


EMPTY = np.full((240, 320, 3), 128, np.uint8)


@pytest.fixture
def portrait(enrolled: dict[str, np.ndarray]) -> np.ndarray:
    return next(iter(enrolled.values()))


@pytest.mark.usefixtures("models_dir")
def test_a_face_has_a_place_and_a_wall_has_none(portrait: np.ndarray) -> None:
    find = faces.lab_face_finder()
    (face,) = find(picture(portrait))
    height, width = portrait.shape[:2]
    assert 0 <= face.top < face.bottom <= height
    assert 0 <= face.left < face.right <= width
    assert (face.turned_by, find(picture(EMPTY))) == (0, [])


@pytest.mark.usefixtures("models_dir")
def test_a_picture_that_stands_on_its_head_says_by_how_much_it_must_be_turned(
    portrait: np.ndarray,
) -> None:
    turned = np.ascontiguousarray(np.rot90(portrait, 2))
    (face,) = faces.lab_face_finder()(picture(turned))
    assert face.turned_by == 180


@pytest.mark.usefixtures("models_dir")
def test_a_glance_sees_somebody(portrait: np.ndarray) -> None:
    glance = faces.lab_glance()
    assert glance(picture(portrait))
    assert not glance(picture(EMPTY))


def test_without_the_recognition_package_the_device_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "recognition", None)
    with pytest.raises(faces.NoFaceFinder, match="not installed here"):
        faces.lab_face_finder()


def test_without_the_models_the_device_says_what_makes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setattr(faces, "ROOT", tmp_path)
    with pytest.raises(faces.NoFaceFinder, match="models are not here") as raised:
        faces.lab_glance()
    assert raised.value.hint == "`make setup`"
