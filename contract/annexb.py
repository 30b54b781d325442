"""H.264 Annex-B byte streams: NAL units and the coded pictures that they make up.

Only NAL unit types and one bit of the slice header are read, so this costs about as much
as searching the bytes for start codes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from mmap import mmap

START_CODE = b"\x00\x00\x01"
_FIRST_SLICE_BIT = 0x80  # first_mb_in_slice is 0, as an Exp-Golomb code a single 1


class NalType(IntEnum):
    """The kinds of NAL unit that are told apart here (H.264, table 7-1)."""

    SLICE = 1
    SLICE_A = 2
    IDR_SLICE = 5
    SEI = 6
    SPS = 7
    PPS = 8
    DELIMITER = 9


_PICTURE = frozenset({NalType.SLICE, NalType.SLICE_A, NalType.IDR_SLICE})
# What may only stand before the first slice of a picture (H.264, 7.4.1.2.3).
_OPENERS = frozenset({NalType.SEI, NalType.SPS, NalType.PPS, NalType.DELIMITER, 14, 15, 16, 17, 18})


@dataclass(frozen=True)
class NalUnit:
    """`data` without start code, so that `data[0]` is the NAL header.

    `start` (its start code's first byte) to `end` (exclusive) is where it stands in its stream.
    """

    data: bytes
    start: int = 0
    end: int = 0

    @property
    def type(self) -> int:
        return self.data[0] & 0x1F

    @property
    def is_slice(self) -> bool:
        return self.type in _PICTURE

    @property
    def opens_picture(self) -> bool:
        """Whether a picture that has a slice already ends before this unit."""
        if self.is_slice:
            return len(self.data) > 1 and bool(self.data[1] & _FIRST_SLICE_BIT)
        return self.type in _OPENERS


@dataclass(frozen=True)
class AccessUnit:
    """The NAL units of one coded picture, what stands before its first slice included.

    `start` to `end` (exclusive) is the byte range in the stream; the ranges of a stream's
    access units follow one another without a gap.
    """

    units: tuple[NalUnit, ...]
    start: int = 0
    end: int = 0

    @property
    def is_key(self) -> bool:
        """An IDR picture: decoding can begin here, given the parameter sets."""
        return any(unit.type == NalType.IDR_SLICE for unit in self.units)

    @property
    def is_self_contained(self) -> bool:
        """Whether it carries both parameter sets itself."""
        return {NalType.SPS, NalType.PPS} <= {unit.type for unit in self.units}

    @property
    def parameter_sets(self) -> bytes:
        """Its SPS and PPS with start codes; empty where it has none."""
        return _with_start_codes(
            unit for unit in self.units if unit.type in (NalType.SPS, NalType.PPS)
        )

    def to_bytes(self) -> bytes:
        return _with_start_codes(self.units)


def nal_units(stream: bytes | mmap, most: int | None = None) -> Iterator[NalUnit]:
    """The NAL units of `stream` in order; bytes before the first start code are skipped.

    Not more than `most` start codes are looked at, whether a unit follows them or not.
    """
    at = stream.find(START_CODE)
    left = math.inf if most is None else most
    while at != -1 and left > 0:
        left -= 1
        # A fourth zero byte before the start code belongs to the unit that follows.
        start = at - 1 if at > 0 and stream[at - 1] == 0 else at
        begin = at + len(START_CODE)
        at = stream.find(START_CODE, begin)
        end = len(stream) if at == -1 else at - (stream[at - 1] == 0)
        data = stream[begin:end].rstrip(b"\x00")  # zero bytes at the end are padding
        if data and not data[0] & 0x80:  # forbidden_zero_bit
            yield NalUnit(data, start, end)


def access_units(units: Iterable[NalUnit]) -> Iterator[AccessUnit]:
    """Group `units` into coded pictures, in order.

    Parameter sets, SEI and delimiters go to the picture that follows them. What trails
    after the last picture (an end-of-stream unit, say) goes to that one.
    """
    current: list[NalUnit] = []
    has_picture = False
    for unit in units:
        if has_picture and unit.opens_picture:
            yield AccessUnit(tuple(current), current[0].start, unit.start)
            current, has_picture = [], False
        current.append(unit)
        has_picture = has_picture or unit.is_slice
    if has_picture:
        yield AccessUnit(tuple(current), current[0].start, current[-1].end)


def _with_start_codes(units: Iterable[NalUnit]) -> bytes:
    return b"".join(b"\x00" + START_CODE + unit.data for unit in units)
