"""Pictures of a person: which of a clip is tried first, what suffices, where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.portraits.choosing import (
    PicturesUnwritable,
    Portrait,
    Refused,
    Rules,
    Session,
    choose,
)
from device.portraits.decoding import Picture, Square
from device.portraits.faces import FoundFace

av = pytest.importorskip("av")
np = pytest.importorskip("numpy")


def picture(pixels: np.ndarray) -> Picture:
    return Picture(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))


def noise(width: int = 320, height: int = 240, seed: int = 0, block: int = 4) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 255, (height // block, width // block, 3))
    return np.kron(blocks, np.ones((block, block, 1))).astype(np.uint8)


FACE = FoundFace(top=60, right=200, bottom=160, left=100)


class Fake:
    """A picture of a known sharpness."""

    width, height = 320, 240

    def __init__(self, sharp: float, name: str = "") -> None:
        self._sharp, self.name = sharp, name
        self.cuts: list[tuple[Square, int]] = []

    def sharpness(self) -> float:
        return self._sharp

    def cut_out(self, square: Square, side: int) -> Fake:
        self.cuts.append((square, side))
        return self


def test_a_few_pictures_spread_over_the_clip_are_tried_the_sharpest_first(monkeypatch):
    monkeypatch.setattr(Picture, "sharpness", Fake.sharpness)
    looked: list[str] = []
    pictures = [Fake(sharp=n, name=str(n)) for n in range(15)]

    def find(seen: Fake) -> list[FoundFace]:
        looked.append(seen.name)
        return []

    assert choose(pictures, find, Rules()) == Refused("no face: look at the camera, in even light")
    assert looked == ["12", "7", "2"]
    looked.clear()
    choose(pictures[:2], find, Rules())
    assert looked == ["1", "0"]
    assert choose([], find, Rules()) == Refused("no picture")


def test_sharpness_and_size_suffice_at_their_limits(monkeypatch):
    monkeypatch.setattr(Picture, "sharpness", Fake.sharpness)
    rules = Rules(min_face_px=100, min_sharpness=50.0)
    assert isinstance(choose([Fake(50.0)], None, rules), Portrait)
    refused = choose([Fake(49.9)], None, rules)
    assert refused == Refused("blurred (sharpness 50, at least 50): hold still")
    shown = Fake(50.0)
    assert isinstance(choose([shown], lambda _: [FACE], rules), Portrait)
    assert shown.cuts == [(FACE.crop(320, 240), 160)]
    larger = Rules(min_face_px=101, min_sharpness=50.0)
    assert choose([shown], lambda _: [FACE], larger) == Refused(
        "the face is 100 px high, at least 101: come closer"
    )


def test_of_two_faces_neither_is_taken_for_small_and_one_lying_is_said_first():
    small, lying = FoundFace(0, 50, 50, 0), FoundFace(0, 320, 240, 0, turned_by=90)
    sharp = picture(noise())
    assert choose([sharp], lambda _: [FACE, small], Rules()) == Refused(
        "2 faces: only the one person, please"
    )
    assert "by 90 degrees" in choose([sharp], lambda _: [lying, small], Rules()).reason


def test_a_part_is_cut_out_exactly_at_the_picture_s_corners():
    pixels = noise()
    shown = picture(pixels)
    for left, top in ((0, 0), (260, 180)):
        part = shown.cut_out(Square(left, top, 60), 60).rgb()
        assert (part == pixels[top : top + 60, left : left + 60]).all()
    assert shown.cut_out(Square(0, 0, 100), 50).rgb().shape == (50, 50, 3)


def test_sharpness_is_the_laplacian_s_variance_at_one_width_and_contrast():
    pixels = noise(160, 120)
    gray = picture(pixels)._frame.reformat(160, 120, "gray", interpolation="AREA")
    rows = gray.to_ndarray().astype(float)
    laplacian = (
        rows[:-2, 1:-1] + rows[2:, 1:-1] + rows[1:-1, :-2] + rows[1:-1, 2:] - 4 * rows[1:-1, 1:-1]
    )
    expected = laplacian.var() * (40 / rows.std()) ** 2
    assert picture(pixels).sharpness() == pytest.approx(expected)


def test_a_picture_without_contrast_is_blurred_not_an_error_and_noise_is_not_blown_up():
    assert picture(np.full((120, 160, 3), 90, np.uint8)).sharpness() == 0
    faint = np.full((120, 160, 3), 90, np.uint8)
    faint[::40, ::40] += 1  # some single gray levels
    assert picture(faint).sharpness() < 40


def test_a_very_wide_picture_has_rows_to_compare():
    assert picture(noise(1600, 8)).sharpness() > 0


def test_a_portrait_lies_where_training_and_enrollment_look_for_it(tmp_path):
    session = Session(tmp_path, "Ada Lovelace", "monday")
    assert session.folder == tmp_path / "ada-lovelace" / "monday"
    assert session.originals == session.folder / "originals"
    shown = picture(noise())
    first = session.save(Portrait(shown, None))
    second = session.save(Portrait(shown, picture(noise(160, 160, seed=1))))
    assert [first.name, second.name] == ["0001.png", "0002.png"]
    assert [one.name for one in (session.folder / "crops").iterdir()] == ["0002.png"]
    assert (session.folder / "crops" / "0002.png").read_bytes() != second.read_bytes()
    assert second.read_bytes() == shown.png()


def test_a_folder_that_can_not_be_made_or_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "ada-lovelace").write_text("a file")
    with pytest.raises(PicturesUnwritable, match=r"can't make .*ada-lovelace"):
        Session(tmp_path, "Ada Lovelace", "monday")
    session = Session(tmp_path, "Alan Turing", "monday")

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("device.portraits.choosing.write_private", full)
    with pytest.raises(PicturesUnwritable, match=r"can't write 0001\.png: No space"):
        session.save(Portrait(picture(noise()), None))
