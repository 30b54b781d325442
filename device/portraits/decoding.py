"""Pictures out of clips, for `pictures.py` and the camera's gate: without one it never decodes.

PyAV does the work, and PNG and scaling too, so that nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from contract.annexb import access_units, nal_units
from device.errors import DeviceError

# Sharpness is measured on faces brought to this contrast, so that dark is not blurred.
USUAL_CONTRAST = 40.0


class DecoderMissing(DeviceError):
    """PyAV is not installed."""


class ClipUndecodable(DeviceError):
    """A clip without one whole picture in it."""


@dataclass(frozen=True)
class Square:
    """A square part of a picture, px: its top left corner and its side."""

    left: int
    top: int
    side: int


class Picture:
    """One RGB picture."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame.reformat(format="rgb24")

    @property
    def width(self) -> int:
        return self._frame.width

    @property
    def height(self) -> int:
        return self._frame.height

    def rgb(self) -> Any:
        """As a numpy array, uint8 [height, width, 3]; for a face finder that wants one."""
        return self._frame.to_ndarray()

    def cut_out(self, square: Square, side: int) -> Picture:
        """The part `square`, which must lie inside, scaled to `side` × `side`."""
        plane = self._frame.planes[0]
        data, stride = memoryview(plane), plane.line_size
        part = _av().VideoFrame(square.side, square.side, "rgb24")
        target = part.planes[0]
        padding = bytes(target.line_size - 3 * square.side)
        rows = bytearray()
        for y in range(square.top, square.top + square.side):
            begin = y * stride + 3 * square.left
            rows += data[begin : begin + 3 * square.side]
            rows += padding
        target.update(bytes(rows))
        return Picture(part.reformat(width=side, height=side, interpolation="AREA"))

    def png(self) -> bytes:
        encoder = _av().CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt = self.width, self.height, "rgb24"
        encoder.time_base = Fraction(1, 25)
        self._frame.pts = 0
        return b"".join(bytes(p) for p in [*encoder.encode(self._frame), *encoder.encode(None)])

    def gray(self, width: int, height: int) -> list[bytes]:
        """The rows of the gray picture scaled to `width` × `height` px, a byte a pixel."""
        scaled = self._frame.reformat(width, height, "gray", interpolation="AREA")
        plane = scaled.planes[0]
        data, stride = bytes(plane), plane.line_size
        return [data[y * stride : y * stride + width] for y in range(height)]

    def sharpness(self, width: int = 160) -> float:
        """Variance of the Laplacian of the gray picture, scaled to `width` px across.

        Brought to one contrast first. Below about 40 a face is small or blurred; more is sharper.
        """
        height = max(3, round(self.height * width / self.width))
        rows = self.gray(width, height)
        laplacian = [
            up[x] + down[x] + row[x - 1] + row[x + 1] - 4 * row[x]
            for up, row, down in zip(rows, rows[1:], rows[2:], strict=False)
            for x in range(1, width - 1)
        ]
        contrast = max(1.0, _variance([value for row in rows for value in row]) ** 0.5)
        return _variance(laplacian) * (USUAL_CONTRAST / contrast) ** 2


def pictures_of(clip: bytes) -> Iterator[Picture]:
    """The pictures of an Annex-B clip, in order; broken ones are left out.

    Raises
    ------
    DecoderMissing
        When PyAV is not installed.
    ClipUndecodable
        When not one picture came out of it.
    """
    av = _av()
    decoder = av.CodecContext.create("h264", "r")
    found = False
    for packet in [*decoder.parse(clip), *decoder.parse(b""), None]:
        try:
            frames = decoder.decode(packet)
        except (av.error.InvalidDataError, av.error.EOFError):
            continue
        for frame in frames:
            found = True
            yield Picture(frame)
    if not found:
        raise ClipUndecodable("no picture in this clip can be decoded")


def first_picture(clip: bytes) -> Picture:
    """The first picture of an Annex-B clip; nothing after it is decoded.

    Raises
    ------
    DecoderMissing
        When PyAV is not installed.
    ClipUndecodable
        When the clip does not begin with a whole key picture.
    """
    unit = next(access_units(nal_units(clip)), None)
    return next(pictures_of(clip[: unit.end] if unit else b""))


def require_decoder() -> None:
    """Ask before the first clip.

    Raises
    ------
    DecoderMissing
        When PyAV is not installed.
    """
    _av()


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise DecoderMissing(
            "pictures need PyAV, which is not installed",
            "pip install -r device/requirements-webcam.txt, or `sudo apt install python3-av`",
        ) from error
    return av


def _variance(values: list[int]) -> float:
    mean = sum(values) / len(values)
    return sum(value * value for value in values) / len(values) - mean * mean
