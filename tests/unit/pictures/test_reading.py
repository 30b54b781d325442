"""Every file ends as a picture or as a refusal; nothing that the library does ends a run."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pictures import PictureRefused, check_picture, read_image, read_rgb, reading

PHOTO = Path(__file__).parents[3] / "fixtures" / "people" / "joe-biden"


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def header(width: int, height: int, depth: int = 8, color: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.jfif", "a.jpe", "a.png", "a.gif", "a.bmp", "a.webp", "a.tiff", "a.pgm",
             "a.avif", "a.heic", "a.jp2", "a.weird"]
)  # fmt: skip
def test_formats_that_people_have_are_read_whatever_the_file_is_called(tmp_path, name):
    picture = Image.new("L" if name.endswith("pgm") else "RGB", (32, 24), 120)
    kinds = {"jfif": "JPEG", "jpe": "JPEG", "heic": "HEIF", "weird": "PNG"}
    if name.endswith("heic"):
        pytest.importorskip("pillow_heif").register_heif_opener()
    picture.save(tmp_path / name, format=kinds.get(name.rpartition(".")[2]))
    assert check_picture(tmp_path / name) == (32, 24)
    assert read_rgb(tmp_path / name).shape == (24, 32, 3)


def test_16_bit_gray_and_transparent_pictures_are_taken_as_they_look(tmp_path):
    Image.fromarray(np.full((6, 4), 200 * 257, np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.full((6, 4), 200 / 255, np.float32)).save(tmp_path / "share.tiff")
    Image.fromarray(np.full((6, 4), 200, np.int32)).save(tmp_path / "wide.tiff")
    Image.new("RGBA", (4, 6), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("P", (4, 6), 0).save(tmp_path / "palette.png", transparency=0)
    Image.new("1", (4, 6), 1).save(tmp_path / "bits.png")
    Image.new("CMYK", (4, 6)).save(tmp_path / "print.jpg")
    read = {path.name: read_rgb(path) for path in tmp_path.iterdir()}
    assert {picture.shape for picture in read.values()} == {(6, 4, 3)}
    for name in ("deep.png", "share.tiff", "wide.tiff"):
        assert (read[name] == 200).all(), name
    for name in ("clear.png", "palette.png", "bits.png"):
        assert (read[name] == 255).all(), name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:4, :8] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    from PIL import ImageOps

    with Image.open(tmp_path / "a.png") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(read_rgb(tmp_path / "a.png"), expected)


def exif_with(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """An EXIF block of one entry, as careless editors write them."""
    entry = struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + b"\0\0\0\0"


@pytest.mark.parametrize(
    "exif",
    [
        exif_with(0x0112, 2, 4, b"six"),
        exif_with(0x0112, 5, 1, struct.pack("<I", 26)),
        exif_with(0x0112, 3, 1, struct.pack("<H", 77)),
        exif_with(0x0112, 7, 9999, b"\xff\xff\xff\xff"),
        exif_with(0x8769, 4, 1, struct.pack("<I", 0xFFFFFFFF)),
        exif_with(0x010F, 3, 1, b"\xff\xff"),
        b"Exif\0\0garbage",
    ],
)
def test_odd_exif_value_turns_nothing_and_ends_nothing(tmp_path, exif):
    Image.new("RGB", (16, 8), "gray").save(tmp_path / "odd.jpg", exif=exif)
    assert read_rgb(tmp_path / "odd.jpg").shape == (8, 16, 3)
    assert "exif" not in read_image(tmp_path / "odd.jpg").info


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not a picture", "not a picture"),
        (png(header(8, 8)), "read"),
        (png(header(8, 8), (b"IDAT", b"junk")), "read"),
        (png((b"IHDR", b"\0\0")), "read"),
        (png(header(8, 8, depth=3)), "read"),
        (b"\xff\xd8\xff\xe0", "read"),
        (b"II*\0\xff\xff\xff\x7f", "read"),
        (b"GIF89a", "read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    ],
)
def test_broken_picture_is_refused_with_the_reason(tmp_path, data, reason):
    (tmp_path / "broken.png").write_bytes(data)
    with pytest.raises(PictureRefused, match=reason):
        read_rgb(tmp_path / "broken.png")


@pytest.mark.parametrize("size", [(20_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch, size):
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    (tmp_path / "bomb.png").write_bytes(png(header(*size), (b"IDAT", zlib.compress(b"\0" * 99))))
    for read in (check_picture, read_rgb):
        with pytest.raises(PictureRefused, match="pixels"):
            read(tmp_path / "bomb.png")


def test_limit_holds_where_somebody_turned_the_librarys_own_off(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(png(header(20_000, 10_000), (b"IDAT", b"")))
    with pytest.raises(PictureRefused, match="200 megapixels"):
        read_rgb(tmp_path / "bomb.png")


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), KeyError("x"), struct.error()])
def test_any_error_of_the_image_library_is_a_refusal(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(reading.Image, "open", fail)
    with pytest.raises(PictureRefused, match="can't be read"):
        read_rgb(tmp_path / "a.png")


def test_heic_without_its_plugin_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_readable", lambda: ("JPEG", "PNG"))
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(PictureRefused, match="install pillow-heif"):
        read_rgb(tmp_path / "phone.heic")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_photos_are_read_or_refused_and_nothing_else(tmp_path, data):
    photo = bytearray(next(PHOTO.glob("*.jpg")).read_bytes()[:40_000])
    for _ in range(data.draw(st.integers(1, 12))):
        photo[data.draw(st.integers(0, min(len(photo) - 1, 3000)))] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged.jpg").write_bytes(photo)
    try:
        assert read_rgb(tmp_path / "damaged.jpg").dtype == np.uint8
    except PictureRefused:
        return
