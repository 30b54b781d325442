"""H.264 Annex-B byte streams: NAL units, access units, and what an SPS says of the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum


class NalType(IntEnum):
    SLICE = 1
    IDR_SLICE = 5
    SEI = 6
    SPS = 7
    PPS = 8
    DELIMITER = 9


_START_CODE = b"\x00\x00\x01"
_PICTURE = (NalType.SLICE, NalType.IDR_SLICE)
# What may only stand before the first slice of a picture.
_HEADERS = (NalType.SEI, NalType.SPS, NalType.PPS, NalType.DELIMITER)
_FIRST_SLICE_BIT = 0x80  # first_mb_in_slice is 0, as an Exp-Golomb code a single 1


class MalformedSps(ValueError):
    """A sequence parameter set that ends early or says something impossible."""


@dataclass(frozen=True)
class NalUnit:
    """`data` without start code, so that `data[0]` is the NAL header."""

    data: bytes

    @property
    def type(self) -> int:
        return self.data[0] & 0x1F

    @property
    def starts_picture(self) -> bool:
        return (
            self.type in _PICTURE and len(self.data) > 1 and bool(self.data[1] & _FIRST_SLICE_BIT)
        )


@dataclass(frozen=True)
class AccessUnit:
    """The NAL units of one coded picture, parameter sets before it included."""

    units: tuple[NalUnit, ...]

    @property
    def is_key(self) -> bool:
        return any(unit.type == NalType.IDR_SLICE for unit in self.units)

    def to_bytes(self) -> bytes:
        return b"".join(b"\x00" + _START_CODE + unit.data for unit in self.units)


def nal_units(stream: bytes) -> Iterator[NalUnit]:
    """The NAL units of a stream, in order; bytes before the first start code are skipped."""
    start = stream.find(_START_CODE)
    while start >= 0:
        begin = start + len(_START_CODE)
        start = stream.find(_START_CODE, begin)
        # Zero bytes at the end belong to the next start code, or are padding.
        data = stream[begin : start if start >= 0 else len(stream)].rstrip(b"\x00")
        if data and not data[0] & 0x80:  # forbidden_zero_bit
            yield NalUnit(data)


def access_units(units: Iterator[NalUnit], limit: int) -> list[AccessUnit]:
    """Group units into at most `limit` pictures; what follows is not looked at."""
    groups: list[AccessUnit] = []
    current: list[NalUnit] = []
    has_picture = False
    for unit in units:
        if has_picture and (unit.starts_picture or unit.type in _HEADERS):
            groups.append(AccessUnit(tuple(current)))
            current, has_picture = [], False
            if len(groups) == limit:
                return groups
        current.append(unit)
        has_picture = has_picture or unit.type in _PICTURE
    if has_picture:
        groups.append(AccessUnit(tuple(current)))
    return groups


def picture_size(sps: NalUnit) -> tuple[int, int]:
    """Width and height in px that an SPS asks a decoder to allocate (before cropping).

    Raises
    ------
    MalformedSps
    """
    bits = _Bits(sps.data[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = bits.take(8)
    bits.take(16)  # constraint flags, level
    bits.golomb()  # id
    chroma_format = 1
    if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
        chroma_format = bits.golomb()
        if chroma_format == 3:
            bits.take(1)
        bits.golomb(), bits.golomb(), bits.take(1)  # bit depths, transform bypass
        if bits.take(1):
            for index in range(8 if chroma_format != 3 else 12):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.golomb()  # log2 of the frame number's range
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.take(1), bits.golomb(), bits.golomb()
        for _ in range(min(bits.golomb(), 256)):
            bits.golomb()
    bits.golomb(), bits.take(1)  # reference frames, gaps allowed
    width_mbs, height_units = bits.golomb() + 1, bits.golomb() + 1
    is_progressive = bits.take(1)
    return width_mbs * 16, height_units * 16 * (2 - is_progressive)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.golomb()
            delta = (code + 1) // 2 if code % 2 else -(code // 2)
            following = (last + delta) % 256
        last = following or last


class _Bits:
    def __init__(self, data: bytes) -> None:
        # An SPS is some dozen bytes; more would be an attack on this very line.
        data = data[:1024]
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise MalformedSps("the SPS ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise MalformedSps("an Exp-Golomb code of more than 32 bits")
        return (1 << zeros) - 1 + self.take(zeros)
