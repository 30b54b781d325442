import shutil

import numpy as np
import pytest

from training.dataset import DatasetPicture
from training.face_cache import FaceCache
from training.faces import find_faces


class CountingRecognizer:
    """The real one, and how often it was asked."""

    def __init__(self, recognizer):
        self.recognizer, self.looks = recognizer, 0

    def observe(self, rgb):
        self.looks += 1
        return self.recognizer.observe(rgb)


@pytest.fixture
def models(models_dir, tmp_path):
    """A copy of the models that a test may change."""
    return shutil.copytree(models_dir, tmp_path / "models")


@pytest.fixture
def find(recognizer, models, photos, tmp_path):
    """Look for the face of a copy of one photo; what is found, and whether anybody had to look."""
    photo = shutil.copyfile(next(iter(photos.values())), tmp_path / "photo.jpg")
    picture = DatasetPicture(photo, "ada", None, photo.stem, is_noisy_copy=False)

    def look(folder="cache"):
        counting = CountingRecognizer(recognizer)
        found = find_faces(counting, [picture], "test", FaceCache(models, tmp_path / folder))
        assert not found.unreadable
        return found, counting.looks > 0

    look.photo = photo
    look.entries = lambda: list((tmp_path / "cache").glob("*/*.npz"))
    return look


def test_a_face_that_was_found_is_the_same_without_a_look(find):
    (first, had_to_look), (again, had_to_look_again) = find(), find()
    assert (had_to_look, had_to_look_again) == (True, False)
    one, other = first.samples[0].observation, again.samples[0].observation
    for name in ("box", "detection_score", "quality"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("landmarks", "chip", "embedding"):
        kept = getattr(other, name)
        assert np.array_equal(getattr(one, name), kept), name
        assert kept.dtype == getattr(one, name).dtype, name


def test_no_face_is_remembered_too(find, photos):
    from PIL import Image

    Image.new("RGB", (200, 200), "white").save(find.photo)
    (first, had_to_look), (again, had_to_look_again) = find(), find()
    assert (had_to_look, had_to_look_again) == (True, False)
    assert len(first.without_face) == len(again.without_face) == 1


def test_another_picture_of_the_same_name_is_looked_at(find, photos):
    find()
    shutil.copyfile(list(photos.values())[1], find.photo)
    found, had_to_look = find()
    assert had_to_look
    anew, _ = find("another cache")
    assert np.array_equal(found.samples[0].embedding, anew.samples[0].embedding)


@pytest.mark.parametrize(
    "name", ["detector.onnx", "embedding.onnx", "landmarks.npz", "proposals.onnx"]
)
def test_what_another_model_found_is_not_taken(find, models, name):
    find()
    (models / name).write_bytes((models / name).read_bytes() + b"\0")
    _, had_to_look = find()
    assert had_to_look


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"nothing",
        lambda data: data[: len(data) // 2],
        lambda data: data[:1000] + bytes(60_000) + data[61_000:],
    ],
    ids=["empty", "no archive", "cut off", "overwritten"],
)
def test_a_damaged_entry_is_found_anew_and_ends_nothing(find, damage):
    """A disk that was full left half an archive, and whoever trained got a traceback."""
    first, _ = find()
    (entry,) = find.entries()
    entry.write_bytes(damage(entry.read_bytes()))
    again, had_to_look = find()
    assert had_to_look
    assert np.array_equal(first.samples[0].embedding, again.samples[0].embedding)
    _, had_to_look = find()
    assert not had_to_look, "what was damaged is whole again"
