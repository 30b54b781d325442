import json

import numpy as np
import pytest
from PIL import Image

from training import convert_jpg_to_png
from training.convert_jpg_to_png import convert_tree
from training.tree import NotAFolder


def picture(path, *, size=(12, 8), mode="RGB", seed=0, **save):
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 4 if mode == "CMYK" else 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode).save(path, **save)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_converts_a_whole_tree_and_keeps_the_originals(tmp_path):
    picture(tmp_path / "ada" / "one.jpg")
    picture(tmp_path / "ada" / "deep" / "two.JPEG")
    (tmp_path / "ada" / "notes.txt").write_text("not a picture")
    summary = convert_tree(tmp_path)
    assert (summary.found, summary.written, summary.errors) == (2, 2, {})
    with Image.open(tmp_path / "ada" / "deep" / "two.png") as converted:
        assert converted.format == "PNG"
    assert np.array_equal(
        pixels(tmp_path / "ada" / "one.png"), pixels(tmp_path / "ada" / "one.jpg")
    )
    assert (tmp_path / "ada" / "one.jpg").exists()


def test_out_receives_the_same_folders(tmp_path):
    picture(tmp_path / "in" / "ada" / "one.jpg")
    convert_tree(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "ada" / "one.png").exists()
    assert not (tmp_path / "in" / "ada" / "one.png").exists()


def test_already_converted_is_skipped_and_left_as_it_is(tmp_path):
    picture(tmp_path / "one.jpg")
    convert_tree(tmp_path)
    picture(tmp_path / "one.jpg", seed=9)
    before = (tmp_path / "one.png").read_bytes()
    assert convert_tree(tmp_path).skipped == 1
    assert (tmp_path / "one.png").read_bytes() == before
    assert convert_tree(tmp_path, overwrite=True).written == 1
    assert (tmp_path / "one.png").read_bytes() != before


def test_exif_orientation_is_applied_and_metadata_dropped(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    exif[0x010E] = "where I live"
    picture(tmp_path / "turned.jpg", size=(40, 20), exif=exif)
    convert_tree(tmp_path)
    with Image.open(tmp_path / "turned.png") as converted:
        assert converted.size == (20, 40)
        assert not converted.getexif()
    assert b"where I live" not in (tmp_path / "turned.png").read_bytes()


def test_cmyk_and_gray_jpgs(tmp_path):
    picture(tmp_path / "print.jpg", mode="CMYK")
    picture(tmp_path / "gray.jpg", mode="L")
    assert convert_tree(tmp_path).written == 2
    assert pixels(tmp_path / "print.png").shape == (8, 12, 3)
    assert pixels(tmp_path / "gray.png").shape == (8, 12)


def test_a_broken_file_is_reported_and_the_rest_converted(tmp_path):
    whole = picture(tmp_path / "whole.jpg", size=(200, 200))
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("no picture at all")
    (tmp_path / "empty.jpg").touch()
    summary = convert_tree(tmp_path, delete_originals=True)
    assert set(summary.errors) == {"cut.jpg", "text.jpg", "empty.jpg"}
    assert summary.written == 1
    assert (tmp_path / "cut.jpg").exists()
    assert not list(tmp_path.glob("*cut*.png"))
    assert not list(tmp_path.glob("*.part"))


def test_a_decompression_bomb_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    picture(tmp_path / "huge.jpg", size=(100, 100))
    assert "pixels" in convert_tree(tmp_path).errors["huge.jpg"]


def test_two_originals_of_one_name_do_not_overwrite_each_other(tmp_path):
    picture(tmp_path / "a.jpeg", seed=1)
    picture(tmp_path / "a.jpg", seed=2)
    summary = convert_tree(tmp_path, overwrite=True, delete_originals=True)
    assert list(summary.errors) == ["a.jpg"]
    assert (tmp_path / "a.jpg").exists()


def test_originals_go_only_when_asked_and_verified(tmp_path):
    picture(tmp_path / "mine.jpg")
    picture(tmp_path / "other.jpg", seed=1)
    picture(tmp_path / "other.png", seed=2)  # somebody else's picture of that name
    summary = convert_tree(tmp_path, delete_originals=True)
    assert (summary.written, summary.skipped, summary.deleted) == (1, 1, 1)
    assert not (tmp_path / "mine.jpg").exists()
    assert (tmp_path / "other.jpg").exists()
    assert "something else" in summary.errors["other.jpg"]


def test_links_are_not_followed_out_of_the_tree(tmp_path):
    outside = picture(tmp_path / "outside" / "theirs.jpg")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.jpg").symlink_to(outside)
    assert convert_tree(inside, delete_originals=True).found == 0
    assert outside.exists()


def test_a_missing_tree_is_named(tmp_path, capsys):
    with pytest.raises(NotAFolder):
        convert_tree(tmp_path / "nowhere")
    assert convert_jpg_to_png.main([str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_json_summary_and_exit_code(tmp_path, capsys):
    picture(tmp_path / "fine.jpg")
    (tmp_path / "bad.jpg").touch()
    assert convert_jpg_to_png.main([str(tmp_path), "--json"]) == 1
    summary = json.loads(capsys.readouterr().out)
    assert (summary["found"], summary["written"], list(summary["errors"])) == (2, 1, ["bad.jpg"])
