"""`facelab stress` as a user runs it: each condition is what its name says."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from recognition.decode import Clip
from recognition.settings import Settings
from training.stress import MADE, main


@pytest.fixture(scope="module")
def made(models_dir, photos, tmp_path_factory):
    """Every condition's picture of one photo, uint8 RGB."""
    folder = tmp_path_factory.mktemp("stress")
    person, photo = next(iter(photos.items()))
    (folder / "faces" / person).mkdir(parents=True)
    shutil.copy(photo, folder / "faces" / person)
    out = folder / "out"
    where = ["--data", str(folder / "faces"), "--out", str(out), "--models", str(models_dir)]
    assert main(where) == 0
    assert main([*where, "--clips", "--condition", "mask"]) == 0
    names = {condition: condition.replace("/", "-").replace(" ", "-") for condition in MADE}
    return {
        condition: cv2.imread(str(next((out / name).glob("*/*.png"))))[..., ::-1]
        for condition, name in names.items()
    }, next((out / "mask").glob("*/*.h264")).read_bytes()


def test_each_condition_is_what_its_name_says(made, recognizer):
    pictures, _ = made
    plain = pictures["plain"]
    face = recognizer.observe(plain)[0]
    assert face.quality.size_px == pytest.approx(130, rel=0.1)
    assert recognizer.observe(pictures["small 45 px"])[0].quality.size_px == pytest.approx(
        45, abs=6
    )
    for condition, share in (("dark 1/4", 4), ("dark 1/16", 16)):
        assert pictures[condition].mean() == pytest.approx(plain.mean() / share, abs=2)
    sharp = [cv2.Laplacian(pictures[one], cv2.CV_64F).var() for one in ("plain", "defocus")]
    assert sharp[1] < sharp[0]
    eyes = face.landmarks[:4].mean(0)
    nose = face.landmarks[4]
    around = {
        "sunglasses": face.landmarks[0],
        "mask": nose + 0.6 * (nose - eyes),
    }
    for condition, (x, y) in around.items():
        place = np.s_[int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4]
        changed = np.abs(pictures[condition][place].astype(int) - plain[place]).mean()
        assert changed > 25, condition
    for degrees in (90, 180):
        turned = pictures[f"rotated {degrees}"]
        assert recognizer.turned_by(turned) == degrees


def test_a_clip_is_one_that_the_device_would_send(made):
    frames = list(Clip(made[1], Settings()).frames(15))
    assert len(frames) == 15
    assert frames[0].to_rgb().shape == (480, 640, 3)


def test_a_folder_without_faces_is_an_error_and_names_the_pictures(models_dir, tmp_path, capsys):
    (tmp_path / "walls" / "nobody").mkdir(parents=True)
    Image.new("RGB", (300, 300), "white").save(tmp_path / "walls" / "nobody" / "wall.png")
    where = ["--data", str(tmp_path / "walls"), "--out", str(tmp_path / "out")]
    assert main([*where, "--models", str(models_dir)]) == 1
    assert "nobody/wall" in capsys.readouterr().err


def test_the_summary_is_one_document(models_dir, photos, tmp_path, capsys):
    person, photo = next(iter(photos.items()))
    (tmp_path / "faces" / person).mkdir(parents=True)
    shutil.copy(photo, tmp_path / "faces" / person)
    Image.new("RGB", (300, 300), "white").save(tmp_path / "faces" / person / "wall.png")
    where = ["--data", str(tmp_path / "faces"), "--out", str(tmp_path / "out")]
    arguments = [*where, "--models", str(models_dir), "--condition", "plain", "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"pictures": 1, "out": str(tmp_path / "out"), "without_face": [f"{person}/wall"]}
