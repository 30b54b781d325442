"""One picture file as pixels: upright, eight bits, within bounds, or a reason why not."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

# Told by what is in the file, not by its name. Formats that start other programs (EPS) or
# show no photo (fonts, icons, PDF) are not among them.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF",
           "WEBP")  # fmt: skip
# Decoded, that is 190 MB of RGB. Phones make pictures of 12 to 50 megapixels.
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 512 * 2**20
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"RIFF")
_RAW_SUFFIXES = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2")
_VIDEO_SUFFIXES = (".avi", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".webm")


class PictureRefused(ValueError):
    """A file that can't be taken as a picture; the message is the reason, without its name."""


def check_picture(path: Path) -> tuple[int, int]:
    """(width, height) from the file's header; nothing is decoded.

    Raises
    ------
    PictureRefused
        When it is no picture that this reader takes, or too large.
    """
    with _opened(path) as image:
        return image.size


def read_image(path: Path) -> Image.Image:
    """The picture upright as its camera meant it, mode L, LA, RGB or RGBA, without metadata.

    The first picture of a file that holds several. Deep ones are brought to eight bits.

    Raises
    ------
    PictureRefused
        When it can't be read whole.
    """
    with _opened(path) as image:
        image.load()
        orientation = _orientation(image)
        picture = _eight_bits(image)
        if orientation in _UPRIGHT:
            picture = picture.transpose(_UPRIGHT[orientation])
    picture.info = {}
    return picture


def read_rgb(path: Path) -> np.ndarray:
    """RGB uint8 [height, width, 3], upright; what is transparent shows white.

    Raises
    ------
    PictureRefused
    """
    picture = read_image(path)
    if picture.mode in ("LA", "RGBA"):
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
        picture = white
    return np.asarray(picture.convert("RGB"))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, its size checked; whatever the library says of it is a refusal.

    Its errors are of every kind (struct, zlib, syntax, memory, recursion, its own), and a new
    release brings new ones: no list of them is ever complete.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd metadata and large sizes; we judge these
            _check_bytes(path.stat().st_size)
            with Image.open(path, formats=_readable()) as image:
                _check_size(*image.size)
                yield image
    except PictureRefused:
        raise
    except Image.DecompressionBombError as error:
        raise PictureRefused(f"far too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise PictureRefused(_what_it_is(path)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PictureRefused(f"can't be read as a picture: {reason}") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise PictureRefused(f"can't be read as a picture: {reason}") from error


def _check_bytes(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise PictureRefused(f"{size / 2**20:.0f} MiB, at most {MAX_FILE_BYTES // 2**20}")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureRefused(
            f"{width}x{height} are {width * height / 1e6:.0f} megapixels, at most "
            f"{MAX_PIXELS / 1e6:.0f}: save it smaller"
        )


@cache
def _readable() -> tuple[str, ...]:
    """Those of our formats that this Pillow reads, with its plugin for HEIC where there is one."""
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _what_it_is(path: Path) -> str:
    """Why nothing in this file was known as a picture, and what to do."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        return "empty: the file has no bytes"
    if head[4:8] == b"ftyp" and head[8:] in _HEIC_BRANDS:
        return "HEIC can't be read here: install pillow-heif, or save it as JPEG"
    if head[4:8] == b"ftyp" and head[8:] in _AVIF_BRANDS:
        return "AVIF can't be read by this Pillow: save it as JPEG"
    if suffix in _RAW_SUFFIXES:
        return f"a camera's raw file ({suffix}): save it as JPEG"
    if head.startswith(_BEGINNINGS):
        return "can't be read as a picture: its header is broken"
    if suffix in _VIDEO_SUFFIXES:
        return f"a video ({suffix}): take pictures, or .h264 clips of the lab's cameras"
    return f"not a picture ({suffix or 'no suffix'})"


def _orientation(image: Image.Image) -> int | None:
    """How the camera was held. Metadata that can't be read turns nothing."""
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_deep(image)
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image.copy() if "transparency" not in image.info else image.convert("RGBA")
    if image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """Gray values of 16 or 32 bits, or fractions, as eight bits by the range they are meant in."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    top = float(values.max(initial=0.0))
    if image.mode.startswith("I;16") or top > 255:
        full = 65535.0
    else:
        full = 1.0 if image.mode == "F" and top <= 1.0 else 255.0
    return Image.fromarray((values * (255.0 / full)).round().clip(0, 255).astype(np.uint8))
