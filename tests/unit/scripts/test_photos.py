from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from contract.results import Person
from device.sources.fixture import cut_at_key_frames
from pictures import Refusal
from scripts.gallery import photos
from scripts.gallery.people_table import PeopleTable
from scripts.gallery.photos import (
    FRAMES_OF_A_CLIP,
    EnrollmentPicture,
    MixedFolder,
    NotPhotos,
    examine,
    read_pictures,
)
from scripts.gallery.quality import PhotoQuality
from scripts.paths import ROOT
from tests.fakes.people_cloud import PeopleCloud

FILM = ROOT / "fixtures" / "lab.h264"


def one_clip() -> bytes:
    cut = cut_at_key_frames(FILM.read_bytes(), 15)[0]
    return FILM.read_bytes()[cut.start : cut.end]


def embedding(person: int, spread: float = 0.0) -> np.ndarray:
    """Unit vectors of different people are 1.4 apart; `spread` moves within a person."""
    vector = np.zeros(128, np.float32)
    vector[person] = 1
    vector[100] = spread
    return vector


def face(
    person: int = 0, spread: float = 0.0, size_px: int = 120, blur: float = 200.0, turn: float = 0.0
):
    quality = SimpleNamespace(size_px=size_px, blur=blur)
    landmarks = np.array([(10, 50), (30, 50), (90, 50), (70, 50), (50 + 60 * turn, 90)])
    return SimpleNamespace(
        embedding=embedding(person, spread), quality=quality, landmarks=landmarks
    )


class Observer:
    """Finds in picture k (its pixel value) the faces that the test planned."""

    def __init__(self, *plan):
        self._plan = plan

    def observe(self, image_rgb):
        return self._plan[int(image_rgb[0, 0, 0])]

    def turned_by(self, image_rgb):
        return 90 if image_rgb.shape[0] > image_rgb.shape[1] else None


def look(*plan):
    pictures = [
        EnrollmentPicture(f"{index}.jpg", np.full((4, 4, 3), index, np.uint8))
        for index in range(len(plan))
    ]
    return examine(pictures, Observer(*plan))


def test_clear_photos_of_one_person_are_all_taken():
    found = look([face(0)], [face(0, 0.2)], [face(0, -0.2)])
    assert (found.sources, found.refusals) == (["0.jpg", "1.jpg", "2.jpg"], [])
    assert found.embeddings.shape == (3, 128)


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ([], "no face"),
        ([face(), face(1)], "2 faces"),
        ([face(size_px=40)], "40 px"),
        ([face(blur=3.0)], "blurred"),
    ],
)
def test_unfit_photo_is_refused_with_what_to_do(faces, reason):
    found = look([face()], faces)
    assert found.sources == ["0.jpg"]
    (refusal,) = found.refusals
    assert refusal.source == "1.jpg"
    assert reason in refusal.reason


def test_a_photo_that_lies_on_its_side_is_told_with_the_turn_it_needs():
    upright, lying = np.zeros((4, 4, 3), np.uint8), np.zeros((8, 4, 3), np.uint8)
    pictures = [EnrollmentPicture("up.jpg", upright), EnrollmentPicture("side.jpg", lying)]
    found = examine(pictures, Observer([]))
    assert "from the front" in found.refusals[0].reason
    assert "turn the picture by 90 degrees" in found.refusals[1].reason


def test_photos_as_far_apart_as_the_network_spreads_one_person_are_taken():
    """Embeddings come 1.2 to 1.7 long; the thresholds are of unit length."""
    faces = [face(0), face(0, 0.4), face(0, -0.05)]
    for one in faces:
        one.embedding = 1.6 * one.embedding
    found = look(*([one] for one in faces))
    assert found.sources == ["0.jpg", "1.jpg", "2.jpg"]


def test_photo_of_somebody_else_is_found_out():
    found = look([face(0)], [face(1)], [face(0, 0.1)], [face(0, 0.2)])
    assert found.sources == ["0.jpg", "2.jpg", "3.jpg"]
    assert "does not look like the others" in found.refusals[0].reason


def test_poses_that_are_missing_are_told():
    left, front, right = [face(turn=-0.2)], [face()], [face(turn=0.2)]
    assert look(front, front).missing_poses == [
        "turned to the left of the picture",
        "turned to the right of the picture",
    ]
    assert look(left, right).missing_poses == ["from the front"]
    assert look(left, front, right).missing_poses == []


def test_the_pose_of_a_refused_photo_does_not_count():
    assert (
        "turned to the left of the picture"
        in look([face()], [face(turn=-0.2, blur=1.0)], [face(turn=0.2)]).missing_poses
    )


def test_two_photos_that_disagree_are_both_refused():
    found = look([face(0)], [face(1)])
    assert found.sources == []
    assert len(found.refusals) == 2


def test_unreadable_file_is_a_refusal_not_an_end(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not a picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (tmp_path / "notes.txt").write_text("named as well")
    (tmp_path / "clip.h264").write_bytes(b"no clip")
    refused = {one.source for one in read_pictures(tmp_path) if isinstance(one, Refusal)}
    taken = [one.source for one in read_pictures(tmp_path) if isinstance(one, EnrollmentPicture)]
    assert refused == {"a.jpg", "notes.txt", "clip.h264"}
    assert taken == ["b.png"]


def test_frames_of_a_clip_are_pictures(tmp_path):
    (tmp_path / "me.h264").write_bytes(one_clip())
    taken = list(read_pictures(tmp_path))
    assert [type(one) for one in taken] == [EnrollmentPicture] * FRAMES_OF_A_CLIP
    assert taken[0].source.startswith("me.h264#")


def test_whatever_the_decoder_raises_refuses_that_clip_alone(tmp_path, monkeypatch):
    def fail(*_):
        raise OverflowError

    monkeypatch.setattr("recognition.Clip.frames", fail)
    (tmp_path / "me.h264").write_bytes(one_clip())
    (refusal,) = read_pictures(tmp_path)
    assert "decoded" in refusal.reason


def test_folder_that_is_not_there_and_a_whole_archive_are_refused(tmp_path, monkeypatch):
    with pytest.raises(NotPhotos, match="there is no"):
        list(read_pictures(tmp_path / "gone"))
    monkeypatch.setattr(photos, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("x")
    with pytest.raises(NotPhotos, match="more than 3 files"):
        list(read_pictures(tmp_path))


def test_folder_of_two_people_is_refused_with_the_files_of_each():
    with pytest.raises(MixedFolder, match=r"0\.jpg, 2\.jpg .* 1\.jpg, 3\.jpg"):
        look([face(0)], [face(1)], [face(0, 0.1)], [face(1, 0.1)])


def test_one_picture_of_somebody_else_does_not_make_a_folder_mixed():
    found = look(*[[face(0, spread / 10)] for spread in range(4)], [face(1)])
    assert len(found.sources) == 4


def test_sideways_phone_photo_is_turned_upright(tmp_path):
    image = Image.new("RGB", (20, 10))
    exif = image.getexif()
    exif[0x0112] = 6  # rotate 90° clockwise to show
    image.save(tmp_path / "phone.jpg", exif=exif)
    (picture,) = read_pictures(tmp_path)
    assert picture.image_rgb.shape == (20, 10, 3)


def test_how_good_the_taken_pictures_are_is_told_and_of_those_alone():
    found = look([face(size_px=150, blur=90.0)], [], [face(size_px=110, blur=300.0, turn=0.6)])
    assert found.quality == PhotoQuality(2, 110, 90.0, tuple(found.missing_poses))
    assert look([]).quality is None


def test_a_quality_says_what_would_make_it_better():
    assert PhotoQuality(3, 150, 200.0).remarks() == []
    poor = PhotoQuality(1, 70, 25.0, ("from the front",)).remarks()
    assert poor == [
        "three or more recognize better",
        "a face of 70 px is small",
        "one is blurred (sharpness 25)",
        "none from the front",
    ]


def test_what_is_enrolled_later_joins_what_was_there():
    before = PhotoQuality(2, 90, 300.0, ("from the front", "turned to the left of the picture"))
    added = PhotoQuality(1, 150, 70.0, ("from the front",))
    assert added.and_more(before) == PhotoQuality(3, 90, 70.0, ("from the front",))
    assert added.and_more(None) == added


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "5", '{"count": "x"}', "[" * 5_000])
def test_a_row_without_a_quality_has_none(text):
    assert PhotoQuality.from_json(text) is None


def test_a_quality_is_kept_in_the_persons_row_and_goes_with_it():
    cloud = PeopleCloud()
    table = PeopleTable(cloud)
    ada, alan = Person("ada", "Ada", "m", "y"), Person("alan", "Alan", "m", "y")
    quality = PhotoQuality(3, 150, 200.0, ("from the front",))
    table.put(ada, None, quality)
    table.put(alan, None)
    assert table.with_photos() == {ada: quality, alan: None}
    assert table.all() == [ada, alan]
    table.remove("ada")
    assert table.with_photos() == {alan: None}
