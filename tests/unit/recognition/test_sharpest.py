"""Of the pictures around a frame that one is looked at in which the followed face is sharpest."""

from __future__ import annotations

from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from contract.results import Box
from recognition import Recognizer, Settings
from recognition.decode import Clip, _luma
from recognition.quality import sharpness_at

CHECKS = (
    np.kron(np.indices((12, 16)).sum(0) % 2, np.ones((10, 10)))[..., None] * np.full(3, 160) + 40
)
LEFT, RIGHT = Box(20, 70, 100, 10), Box(20, 150, 100, 90)


def smeared(rgb: np.ndarray, length: int) -> np.ndarray:
    """`rgb` as a camera that moves sees it."""
    return cv2.filter2D(rgb, -1, np.full((1, length), 1 / length))


def checks(sharp: bool) -> np.ndarray:
    return (CHECKS if sharp else cv2.GaussianBlur(CHECKS, (0, 0), 6)).astype(np.uint8)


@pytest.fixture(scope="module")
def one_sharp_in_four(encode) -> bytes:
    """Sharp are the pictures 2, 5, 9 and 12; 0, 3, 7, 10 and 14 are asked for."""
    return encode([checks(index in (2, 5, 9, 12)) for index in range(15)])


def test_the_pictures_before_a_frame_come_with_it(encode):
    clip = encode([np.full((96, 128, 3), 30 + 12 * index, np.uint8) for index in range(15)])
    frames = list(Clip(clip, Settings()).frames(5))
    shown = [
        [round((one.to_ndarray(format="rgb24").mean() - 30) / 12) for one in pictures]
        for pictures in ((*frame.before, frame.picture) for frame in frames)
    ]
    assert shown == [[0], [1, 2, 3], [4, 5, 6, 7], [8, 9, 10], [11, 12, 13, 14]]


def test_of_a_long_gap_only_the_last_pictures_are_kept(encode):
    """All of a minute's would fill the function's memory."""
    clip = encode([checks(False)] * 60, key_every=60)
    assert [len(frame.before) for frame in Clip(clip, Settings(sharpest_of=6)).frames(3)] == [
        0,
        5,
        5,
    ]
    assert [len(frame.before) for frame in Clip(clip, Settings(sharpest_of=1)).frames(3)] == [
        0,
        0,
        0,
    ]


def test_a_key_frame_is_alone(encode):
    """The pictures before it need not be decoded, and are not."""
    clip = Clip(encode([checks(False)] * 45, key_every=15), Settings())
    assert [len(frame.before) for frame in clip.frames(3)] == [0, 0, 3]
    assert clip.pictures_decoded == 1 + 15


def test_the_sharpest_is_taken_and_none_without_a_face(one_sharp_in_four):
    frames = list(Clip(one_sharp_in_four, Settings()).frames(5))
    for frame in frames[1:4]:
        taken = frame.at_its_sharpest([LEFT])
        assert np.abs(taken.to_rgb().astype(float) - checks(True)).mean() < 12
        assert np.abs(frame.to_rgb().astype(float) - checks(True)).mean() > 30
        assert (taken.index, taken.is_first, taken.is_last) == (frame.index, False, False)
        assert frame.at_its_sharpest([]) is frame
    assert frames[0].at_its_sharpest([LEFT]) is frames[0]


@pytest.mark.parametrize(
    "kind", ["yuv420p", "yuvj420p", "yuv444p", "gray", "yuv420p10le", "yuyv422"]
)
@pytest.mark.parametrize("width", [160, 146])
def test_brightness_is_read_from_every_kind_of_picture(kind, width):
    """A row may be longer than the picture is wide, and a value longer than a byte."""
    picture = av.VideoFrame.from_ndarray(checks(True)[:, :width].copy(), format="rgb24")
    read = _luma(picture.reformat(format=kind))
    assert (read.shape, read.dtype) == ((120, width), np.uint8)
    assert np.abs(read.astype(float) - checks(True)[:, :width, 0]).mean() < 16


def test_only_the_places_of_the_faces_count():
    half = checks(True)
    half[:, 80:] = checks(False)[:, 80:]
    gray = half[..., 0]
    sharp, blurred = sharpness_at(gray, [LEFT]), sharpness_at(gray, [RIGHT])
    assert sharp > 5 * blurred
    assert sharpness_at(gray, [LEFT, RIGHT]) == pytest.approx(sharp + blurred)
    assert sharpness_at(gray, [Box(500, 600, 560, 540)]) == 0.0, "a face that has left"


def test_who_is_clear_between_the_frames_of_a_shaken_clip_is_named(
    recognizer, models_dir, gallery, encode, portraits
):
    """Five frames, evenly spread, were all blurred, and the friend was missed."""
    face = cv2.resize(portraits["obama-2009"], None, fx=0.55, fy=0.55)
    still = np.full((480, 640, 3), 140, np.uint8)
    still[40 : 40 + face.shape[0], 170 : 170 + face.shape[1]] = face
    shaken = encode([still if i in (2, 5, 9) else smeared(still, 21) for i in range(15)])
    (found,) = recognizer.recognize(shaken, gallery, None).faces
    assert (found.person_id, found.frames_used) == ("barack-obama", 3)
    evenly = Recognizer.load(models_dir, replace(recognizer.settings, sharpest_of=1))
    assert all(face.person_id is None for face in evenly.recognize(shaken, gallery, None).faces)
