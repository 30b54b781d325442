import numpy as np
import pytest
from PIL import Image

from training.dataset import (
    NoPeople,
    SamePerson,
    UnreadablePicture,
    order,
    read_picture,
    read_tree,
    split_validation,
)


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 90).save(path)


def test_two_folders_of_one_person_are_refused(tmp_path):
    touch(tmp_path / "Ada Lovelace" / "1.png", tmp_path / "ada_lovelace" / "1.png")
    with pytest.raises(SamePerson, match="Ada Lovelace"):
        read_tree(tmp_path)


def test_files_of_no_person_hidden_and_foreign_files_are_left_out(tmp_path):
    ada = tmp_path / "ada"
    touch(ada / "1.pgm", tmp_path / "loose.png", ada / ".thumbs" / "1.png")
    (tmp_path / "ada" / "README.md").write_text("x")
    (tmp_path / "empty").mkdir()
    tree = read_tree(tmp_path)
    assert {person: len(pictures) for person, pictures in tree.items()} == {"ada": 1}
    with pytest.raises(NoPeople):
        read_tree(tmp_path / "empty")


def test_sessions_originals_and_crops_as_the_camera_collects_them(tmp_path):
    session = tmp_path / "ada" / "monday"
    touch(session / "originals" / "0001.png", session / "crops" / "0001.png")
    touch(session / "crops" / "0002.png")
    one, two = read_tree(tmp_path)["ada"]
    assert (one.session, one.path.parent.name) == ("monday", "originals")
    assert (two.session, two.path.parent.name) == ("monday", "crops")


def test_the_jpg_a_png_was_made_from_is_not_a_second_picture(tmp_path):
    touch(tmp_path / "ada" / "1.jpg", tmp_path / "ada" / "1.png")
    (picture,) = read_tree(tmp_path)["ada"]
    assert picture.path.suffix == ".png"


def test_noisy_copies_never_lie_on_both_sides_of_a_split(tmp_path):
    for number in range(8):
        stem = tmp_path / "ada" / f"{number}"
        touch(*(stem.with_name(f"{number}{end}.png") for end in ("", "-noise-1", "-noise-2")))
    pictures = read_tree(tmp_path)["ada"]
    train, validation = split_validation(pictures, 0.25, seed=1)
    assert len(validation) == 2
    assert len(train) == 18
    assert not {one.family for one in train} & {one.family for one in validation}
    assert not any(one.is_noisy_copy for one in validation)


def test_whole_sessions_are_held_out_when_they_are_known(tmp_path):
    for day in ("a", "b", "c"):
        touch(*(tmp_path / "ada" / day / f"{number}.png" for number in range(4)))
    train, validation = split_validation(read_tree(tmp_path)["ada"], 0.25, seed=0)
    assert len({one.session for one in validation}) == 1
    assert not {one.session for one in train} & {one.session for one in validation}


def test_each_part_holds_out_other_pictures_as_long_as_there_are_any(tmp_path):
    touch(*(tmp_path / "ada" / f"{number}.png" for number in range(8)))
    pictures = read_tree(tmp_path)["ada"]
    held_out = [split_validation(pictures, 0.25, 0, part)[1] for part in range(4)]
    assert {one.path for part in held_out for one in part} == {one.path for one in pictures}
    assert (
        split_validation(pictures[:2], 0.25, 0, 0)[1]
        == split_validation(pictures[:2], 0.25, 0, 2)[1]
    )
    assert split_validation([], 0.25, 0, 1) == ([], [])


def test_a_single_picture_trains(tmp_path):
    touch(tmp_path / "ada" / "1.png")
    train, validation = split_validation(read_tree(tmp_path)["ada"], 0.25, seed=0)
    assert (len(train), len(validation)) == (1, 0)


def test_the_order_does_not_depend_on_what_else_is_there():
    few, many = order("abc", 3), order("abcdefgh", 3)
    assert [name for name in many if name in "abc"] == few
    assert order("abcdefgh", 4) != many


def test_gray_deep_transparent_and_turned_pictures_become_upright_rgb(tmp_path):
    Image.fromarray(np.full((6, 4), 200, np.uint8)).save(tmp_path / "gray.pgm")
    Image.fromarray(np.full((6, 4), 200 * 257, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (4, 6), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "turned.jpg", exif=exif)
    read = {path.name: read_picture(path) for path in tmp_path.iterdir()}
    assert {picture.shape for picture in read.values()} == {(6, 4, 3)}
    assert {picture.dtype for picture in read.values()} == {np.dtype(np.uint8)}
    assert (read["gray.pgm"] == 200).all()
    assert (read["deep.png"] == 200).all()
    assert (read["clear.png"] == 255).all()


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UnreadablePicture, match="broken"):
        read_picture(tmp_path / "broken.jpg")
