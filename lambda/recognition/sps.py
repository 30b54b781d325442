"""What an H.264 SPS says of the picture size, before anything is decoded."""

from __future__ import annotations

from contract.annexb import NalType, NalUnit

# An SPS is some dozen bytes; more would be an attack on the arithmetic below.
_MOST_BYTES = 1024


class MalformedSps(ValueError):
    """A sequence parameter set that ends early or says something impossible."""


def picture_size(sps: NalUnit) -> tuple[int, int]:
    """Width and height in px that an SPS asks a decoder to allocate (before cropping).

    Raises
    ------
    MalformedSps
        When it ends early, or a number in it is too long.
    """
    bits = _Bits(sps.data[1:_MOST_BYTES].replace(b"\x00\x00\x03", b"\x00\x00"))
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


def parameter_set_id(unit: NalUnit) -> int:
    """The id under which a decoder keeps an SPS or PPS; a later one replaces it.

    Raises
    ------
    MalformedSps
        When it ends early, or the id is above 255.
    """
    bits = _Bits(unit.data[1:64].replace(b"\x00\x00\x03", b"\x00\x00"))
    if unit.type == NalType.SPS:
        bits.take(24)  # profile, constraint flags, level
    found = bits.golomb()
    if found > 255:
        raise MalformedSps(f"a parameter set with the id {found}")
    return found


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
