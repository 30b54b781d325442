import json

import numpy as np
import pytest
from PIL import Image

from training import add_noise_to_png
from training.add_noise_to_png import noise_tree
from training.tree import UnusableOption


def gray(path, *, size=(64, 48), level=128, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * 3).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(float)


def test_copies_lie_beside_and_the_original_is_untouched(tmp_path):
    original = gray(tmp_path / "ada" / "one.png")
    before = original.read_bytes()
    summary = noise_tree(tmp_path, copies=3)
    assert summary.written == 3
    assert {path.name for path in (tmp_path / "ada").iterdir()} == {
        "one.png", "one-noise-1.png", "one-noise-2.png", "one-noise-3.png",
    }  # fmt: skip
    assert original.read_bytes() == before


@pytest.mark.parametrize(("kind", "deviation"), [("gaussian", 12.75), ("speckle", 6.4)])
def test_the_noise_is_as_strong_as_asked(tmp_path, kind, deviation):
    gray(tmp_path / "one.png", size=(200, 200))
    noise_tree(tmp_path, kind=kind, amount=0.05)
    noisy = pixels(tmp_path / "one-noise-1.png")
    assert noisy.std() == pytest.approx(deviation, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=0.5)


def test_salt_and_pepper_hits_the_share_of_pixels_asked_for(tmp_path):
    gray(tmp_path / "one.png", size=(200, 200))
    noise_tree(tmp_path, kind="salt-pepper", amount=0.1)
    noisy = pixels(tmp_path / "one-noise-1.png")
    assert (noisy == 0).all(axis=-1).mean() == pytest.approx(0.05, abs=0.01)
    assert (noisy == 255).all(axis=-1).mean() == pytest.approx(0.05, abs=0.01)


def test_a_seed_gives_the_same_copy_whatever_else_is_in_the_tree(tmp_path):
    gray(tmp_path / "alone" / "x.png")
    noise_tree(tmp_path / "alone", seed=7)
    gray(tmp_path / "crowd" / "x.png")
    gray(tmp_path / "crowd" / "a.png")
    noise_tree(tmp_path / "crowd", seed=7)
    noise_tree(tmp_path / "crowd", tmp_path / "other-seed", seed=8)
    name = "x-noise-1.png"
    alone = pixels(tmp_path / "alone" / name)
    assert np.array_equal(alone, pixels(tmp_path / "crowd" / name))
    assert not np.array_equal(alone, pixels(tmp_path / "crowd" / "a-noise-1.png"))
    assert not np.array_equal(alone, pixels(tmp_path / "other-seed" / name))


def test_a_second_run_adds_no_noise_to_noise(tmp_path):
    gray(tmp_path / "one.png")
    noise_tree(tmp_path)
    summary = noise_tree(tmp_path)
    assert (summary.found, summary.written, summary.skipped) == (1, 0, 1)


def test_transparency_and_gray_survive(tmp_path):
    Image.new("RGBA", (8, 8), (100, 100, 100, 77)).save(tmp_path / "clear.png")
    gray(tmp_path / "gray.png", mode="L")
    noise_tree(tmp_path, amount=0.3)
    assert (pixels(tmp_path / "clear-noise-1.png")[..., 3] == 77).all()
    assert pixels(tmp_path / "gray-noise-1.png").shape == (48, 64)


def test_broken_picture_and_linked_folder_are_reported_and_the_rest_treated(tmp_path):
    gray(tmp_path / "fine.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "linked").symlink_to(tmp_path)
    summary = noise_tree(tmp_path)
    assert set(summary.errors) == {"broken.png"}
    assert set(summary.passed_over) == {"linked"}
    assert summary.written == 1


def test_16_bit_picture_is_treated_in_the_brightness_it_was_taken_in(tmp_path):
    Image.fromarray(np.full((64, 64), 100 * 257, np.uint16)).save(tmp_path / "deep.png")
    summary = noise_tree(tmp_path, amount=0.01)
    assert summary.errors == {}
    assert abs(pixels(tmp_path / "deep-noise-1.png").mean() - 100) < 3


@pytest.mark.parametrize("wrong", [{"amount": 0.0}, {"amount": 1.5}, {"copies": 0}, {"kind": "x"}])
def test_options_out_of_bounds_write_nothing(tmp_path, wrong):
    gray(tmp_path / "one.png")
    with pytest.raises(UnusableOption):
        noise_tree(tmp_path, **wrong)
    assert len(list(tmp_path.iterdir())) == 1


def test_json_summary(tmp_path, capsys):
    gray(tmp_path / "one.png")
    assert add_noise_to_png.main([str(tmp_path), "--copies", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 2
