"""The whole pipeline on clips made of real portraits, and on the recorded fixture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from contract.annexb import AccessUnit, access_units, nal_units
from contract.results import Box, Status
from recognition import (
    ClipRejected,
    CustomModel,
    Gallery,
    ModelsMissing,
    Recognizer,
    Settings,
    load_recognizer,
)
from recognition.loading import UnknownRecognizer
from recognition.pyramid import overlap
from recognition.regions import regions_with_detail

ROOT = Path(__file__).parents[3]


def test_known_face_is_named_from_one_frame(recognizer, gallery, film, portraits):
    found = recognizer.recognize(film(portraits["obama-2010"], height=400), gallery, None)
    (face,) = found.faces
    assert found.status == face.status == Status.RECOGNIZED
    assert face.person_id == face.online.person_id == "barack-obama"
    assert face.frames_used == 1
    assert found.frames_decoded == found.frames_seen  # the last shows who came in since
    assert face.size_px == face.box.bottom - face.box.top
    assert face.online.distance < 0.45
    assert set(found.stages_ms) == {"decode", "detect", "align", "embed", "decide"}


def test_stranger_is_not_named(recognizer, gallery, film, portraits):
    found = recognizer.recognize(film(portraits["hopper"], height=400), gallery, None)
    (face,) = found.faces
    assert (found.status, face.person_id) == (Status.UNKNOWN, None)
    assert face.frames_used > 1  # looked again before it said so


def test_nobody_enrolled_nobody_named(recognizer, film, portraits):
    clip = film(portraits["obama-2010"], height=400)
    assert recognizer.recognize(clip, Gallery.empty(), None).status == Status.UNKNOWN


def test_two_people_both_named(recognizer, gallery, film, portraits):
    clip = film(portraits["obama-2009"], portraits["biden-2010"], height=380)
    found = recognizer.recognize(clip, gallery, None)
    assert sorted(face.person_id for face in found.faces) == ["barack-obama", "joe-biden"]


def test_nobody_is_named_twice_in_one_picture(recognizer, gallery, film, portraits):
    clip = film(portraits["obama-2009"], portraits["obama-2010"], height=380)
    found = recognizer.recognize(clip, gallery, None)
    assert len(found.faces) == 2
    assert sorted(str(face.person_id) for face in found.faces) == ["None", "barack-obama"]
    (other,) = (face for face in found.faces if face.person_id is None)
    assert (other.status, other.online.person_id) == (Status.UNKNOWN, None)


def test_plain_wall_costs_one_frame(recognizer, gallery, film):
    found = recognizer.recognize(film(), gallery, None)
    assert (found.status, found.faces, found.frames_decoded) == (Status.NO_FACE, (), 1)


@pytest.mark.parametrize("key_every", [15, 1000], ids=["many key frames", "one key frame"])
def test_face_that_comes_in_after_300_pictures_of_a_plain_wall(
    recognizer, gallery, encode, portraits, key_every
):
    wall = np.full((240, 320, 3), 128, np.uint8)
    wall[200:, 280:] = 30  # not quite plain: a clip of one key frame ends at a bare wall
    later = wall.copy()
    later[20:220, 80:230] = cv2.resize(
        portraits["obama-2009"], (150, 200), interpolation=cv2.INTER_AREA
    )
    clip = encode([wall] * 310 + [later] * 100, key_every)
    found = recognizer.recognize(clip, gallery, None)
    assert [face.person_id for face in found.faces] == ["barack-obama"]
    assert found.frames_seen == 410


def test_what_was_not_looked_at_is_told(recognizer, gallery, encode):
    noise = np.random.default_rng(0).integers(90, 150, (48, 64, 3)).astype(np.uint8)
    found = recognizer.recognize(encode([noise] * 40, 2), gallery, None)
    assert found.status is Status.NO_FACE
    assert found.reason == "12 of 20 key frames were looked at"


def test_somebody_before_the_damaged_end_of_a_clip_is_still_found(
    recognizer, gallery, encode, portraits
):
    scene = np.random.default_rng(0).integers(90, 150, (60, 80, 3)).astype(np.uint8)
    room = cv2.resize(scene, (640, 480), interpolation=cv2.INTER_CUBIC)
    later = room.copy()
    later[40:440, 100:400] = cv2.resize(
        portraits["obama-2009"], (300, 400), interpolation=cv2.INTER_AREA
    )
    pictures = list(access_units(nal_units(encode([room] * 4 + [later] * 11))))
    torn = b"".join(picture.to_bytes() for picture in pictures[:13]) + b"\0\0\1\x41\x9a\xff"
    found = recognizer.recognize(torn, gallery, None)
    assert [face.person_id for face in found.faces] == ["barack-obama"]
    assert "damaged" in found.reason


def test_face_that_comes_in_during_the_clip(recognizer, gallery, encode, portraits):
    scene = np.random.default_rng(0).integers(90, 150, (60, 80, 3)).astype(np.uint8)
    room = cv2.resize(scene, (640, 480), interpolation=cv2.INTER_CUBIC)
    face = cv2.resize(portraits["obama-2009"], (300, 400), interpolation=cv2.INTER_AREA)
    later = room.copy()
    later[40:440, 100:400] = face
    found = recognizer.recognize(encode([room] * 7 + [later] * 8), gallery, None)
    assert [face.person_id for face in found.faces] == ["barack-obama"]


def test_dark_face_is_found_and_named(recognizer, gallery, film, portraits):
    clip = film(portraits["obama-2009"], height=400, gain=0.2)
    assert recognizer.recognize(clip, gallery, None).faces[0].person_id == "barack-obama"


def test_bright_face_before_a_black_wall_is_not_washed_out(recognizer, portraits):
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[40:440, 100:400] = cv2.resize(portraits["obama-2009"], (300, 400))
    assert len(recognizer.observe(frame)) == 1


def test_blurred_face_is_low_quality_not_unknown(recognizer, gallery, encode, portraits):
    frame = np.full((480, 640, 3), 140, np.uint8)
    frame[40:440, 100:400] = cv2.resize(portraits["obama-2009"], (300, 400))
    blurred = cv2.GaussianBlur(frame, (0, 0), 7)
    found = recognizer.recognize(encode([blurred] * 15), gallery, None)
    (face,) = found.faces
    assert found.status == face.status == Status.LOW_QUALITY
    assert face.person_id is face.online.person_id is face.custom.person_id is None
    assert "blurred" in face.shortcoming


def test_one_black_picture_is_no_face(recognizer, gallery, encode):
    clip = encode([np.zeros((480, 640, 3), np.uint8)])
    assert recognizer.recognize(clip, gallery, None).status == Status.NO_FACE


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (160, 160), (1080, 1920), (64, 1600)])
def test_any_frame_size(recognizer, gallery, encode, size):
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    assert recognizer.recognize(encode([noise]), gallery, None).status == Status.NO_FACE


def test_rejected_clip(recognizer, gallery):
    with pytest.raises(ClipRejected):
        recognizer.recognize(b"no clip", gallery, None)


def test_same_clip_same_answer(recognizer, models_dir, gallery, film, portraits):
    clip = film(portraits["hopper"], portraits["collins"], height=380)
    first = recognizer.recognize(clip, gallery, None)
    second = Recognizer.load(models_dir).recognize(clip, gallery, None)
    assert first.faces == second.faces


def test_observe_gives_what_enrollment_needs(recognizer, portraits):
    (seen,) = recognizer.observe(portraits["biden-2010"])
    assert seen.chip.shape == (150, 150, 3)
    assert seen.landmarks.shape == (5, 2)
    assert seen.embedding.shape == (128,)
    assert seen.quality.shortcoming is None
    assert 0 < seen.quality.weight <= 1


def test_observe_in_a_picture_without_a_face(recognizer):
    assert recognizer.observe(np.full((300, 400, 3), 128, np.uint8)) == []


def test_faces_at_the_border_and_outside_stay_apart():
    box = Box(0, 10, 10, 0)
    assert overlap(box, Box(0, 10, 10, 0)) == 1
    assert overlap(box, Box(20, 30, 30, 20)) == 0
    assert overlap(box, Box(0, 15, 10, 5)) == pytest.approx(1 / 3)


def test_plain_regions_have_no_detail_and_a_face_has(portraits):
    noise = np.random.default_rng(0).normal(0, 6, (480, 640, 3))
    wall = np.clip(np.linspace(110, 150, 640)[None, :, None] + noise, 0, 255).astype(np.uint8)
    assert regions_with_detail(wall, Settings().detail_contrast) == []
    wall[200:264, 300:348] = cv2.resize(portraits["collins"][60:190, 155:265], (48, 64))
    (region,) = regions_with_detail(wall, Settings().detail_contrast)
    assert region.left <= 300 < 348 <= region.right
    assert region.top <= 200 < 264 <= region.bottom
    assert (region.right - region.left) * (region.bottom - region.top) < 0.3 * 640 * 480


def test_missing_models_say_how_to_build_them(tmp_path):
    with pytest.raises(ModelsMissing, match="python -m weights build"):
        Recognizer.load(tmp_path)


def test_recognizer_is_chosen_by_the_environment(models_dir):
    assert type(load_recognizer(models_dir, environment={})) is Recognizer
    with pytest.raises(UnknownRecognizer, match="FACELAB_RECOGNIZER=magic"):
        load_recognizer(models_dir, environment={"FACELAB_RECOGNIZER": "magic"})


def test_importing_recognition_brings_no_torch_dlib_or_onnx_builder():
    import subprocess
    import sys

    heavy = ("torch", "dlib", "face_recognition", "onnx", "weights", "scipy", "pandas")
    code = f"import recognition, sys; print([m for m in {heavy} if m in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == "[]"


def fixture_clips() -> list[bytes]:
    units = nal_units((ROOT / "fixtures/lab.h264").read_bytes())
    clips: list[list[AccessUnit]] = []
    for picture in access_units(units):
        if picture.is_key:
            clips.append([])
        clips[-1].append(picture)
    return [b"".join(picture.to_bytes() for picture in clip) for clip in clips]


def test_fixture_every_scene_is_right(recognizer, gallery):
    """One clip of every scene; the end-to-end run plays all of them."""
    shipped = ROOT / "training/shipped/custom.onnx"
    custom = CustomModel.from_bytes(shipped.read_bytes())
    truth = json.loads((ROOT / "fixtures/truth.json").read_text())["clips"]
    clips, scenes = fixture_clips(), set()
    assert len(clips) == len(truth)
    for clip, expected in zip(clips, truth, strict=True):
        if expected["scene"] in scenes:
            continue
        scenes.add(expected["scene"])
        found = recognizer.recognize(clip, gallery, custom)
        named = sorted(face.person_id for face in found.faces if face.person_id)
        assert named == sorted(expected["visible"]), expected
        strangers = [face for face in found.faces if not face.person_id]
        assert len(strangers) == expected["strangers"], expected
        assert all(face.status == Status.UNKNOWN for face in strangers), expected


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_says_how_it_must_be_turned(recognizer, portraits, quarters):
    lying = np.rot90(portraits["biden-2010"], quarters)  # against the clock
    assert recognizer.turned_by(lying) == 90 * quarters


def test_a_wall_is_not_a_face_that_lies(recognizer):
    assert recognizer.turned_by(np.full((300, 400, 3), 128, np.uint8)) is None
