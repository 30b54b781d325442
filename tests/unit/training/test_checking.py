"""Folders that contradict themselves are named file by file before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from contract.results import Box
from recognition.quality import Quality
from recognition.tracking import FaceObservation
from training.checking import ContradictoryData, check, refuse_contradictions
from training.dataset import DatasetPicture
from training.faces import FaceSample

RANDOM = np.random.default_rng(0)
COMMON = 1.2 * RANDOM.normal(0, 1 / np.sqrt(128), 128)


def folder(person, look, count, shortcoming=None, start=0):
    """`look` says whose face it is, whatever the folder is called."""
    center = COMMON + 0.55 * np.random.default_rng(look).normal(0, 1 / np.sqrt(128), 128)
    samples = []
    for index in range(start, start + count):
        embedding = center + 0.2 * RANDOM.normal(0, 1 / np.sqrt(128), 128)
        seen = FaceObservation(
            Box(0, 9, 9, 0),
            1.0,
            np.zeros((5, 2)),
            np.zeros((150, 150, 3), np.uint8),
            embedding.astype(np.float32),
            Quality(100, 30.0, 40.0, 0.9, shortcoming),
        )
        path = Path(f"/data/{person}/{index:02d}.jpg")
        samples.append(FaceSample(DatasetPicture(path, person, None, path.stem, False), seen))
    return samples


def test_clean_folders_say_nothing():
    found = check({"ada": folder("ada", 1, 5), "bob": folder("bob", 2, 1), "cy": []})
    assert found.contradictions == found.doubts == ()
    refuse_contradictions(found)


def test_a_mixed_folder_is_refused_with_the_files_of_the_smaller_part():
    found = check({"ada": folder("ada", 1, 4) + folder("ada", 2, 3, start=4)})
    with pytest.raises(ContradictoryData, match="--trust-data") as caught:
        refuse_contradictions(found)
    assert "ada/04.jpg, ada/05.jpg, ada/06.jpg" in str(caught.value)


def test_one_person_under_two_names_is_refused_once():
    (line,) = check({"ada": folder("ada", 1, 3), "eve": folder("eve", 1, 2)}).contradictions
    assert line.startswith("ada and eve")
    assert "ada/0" in line
    assert "eve/0" in line


def test_one_wrong_picture_and_poor_pictures_are_doubts():
    found = check({"ada": folder("ada", 1, 5) + folder("ada", 2, 1, "blurred", start=5)})
    assert found.contradictions == ()
    assert [line for line in found.doubts if "like none" in line and "ada/05.jpg" in line]
    assert [line for line in found.doubts if "blurred" in line and "ada/05.jpg" in line]


def test_a_picture_of_one_person_in_anothers_folder_is_found():
    people = {"ada": folder("ada", 1, 4), "bob": folder("bob", 2, 4) + folder("bob", 1, 1, start=4)}
    found = check(people)
    assert any("bob/04.jpg" in line for line in (*found.contradictions, *found.doubts))


def test_a_person_among_the_strangers_is_refused_with_the_files():
    """Half of the time the model would be taught that ada is nobody."""
    people = {"ada": folder("ada", 1, 3), "bob": folder("bob", 2, 3)}
    strangers = folder("street", 3, 4) + folder("street", 1, 2, start=4)
    (line,) = check(people, strangers).contradictions
    assert line == "ada is among the strangers: street/04.jpg, street/05.jpg"
    assert check(people, strangers[:4]).contradictions == ()
