"""Find the pictures of an H.264 Annex-B byte stream, without decoding and without copying.

Only NAL unit types and one bit of the slice header are read, so this costs about as much
as searching the bytes for start codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

START_CODE = b"\x00\x00\x01"
SLICE, SLICE_A, IDR, SEI, SPS, PPS, DELIMITER = 1, 2, 5, 6, 7, 8, 9
# What may only stand before the first slice of a picture (H.264, 7.4.1.2.3).
OPENERS = frozenset({SEI, SPS, PPS, DELIMITER, 14, 15, 16, 17, 18})


@dataclass(frozen=True)
class NalUnit:
    """One NAL unit: `start` (its start code's first byte) to `end` (exclusive)."""

    start: int
    end: int
    type: int
    opens_picture: bool


@dataclass(frozen=True)
class AccessUnit:
    """One picture with everything that belongs to it, as a half-open byte range.

    `key` is true for an IDR picture: decoding can begin there, given the parameter sets
    (SPS and PPS). `self_contained` says that it carries both itself.
    """

    start: int
    end: int
    key: bool
    self_contained: bool


def nal_units(stream: bytes | mmap) -> Iterator[NalUnit]:
    """The NAL units of `stream` in order. Bytes before the first start code are skipped."""
    at = stream.find(START_CODE)
    while at != -1:
        # A fourth zero byte before the start code belongs to the unit that follows.
        start = at - 1 if at > 0 and stream[at - 1] == 0 else at
        header = at + len(START_CODE)
        at = stream.find(START_CODE, header)
        end = len(stream) if at == -1 else at - (stream[at - 1] == 0)
        if header >= end:
            continue
        kind = stream[header] & 0x1F
        # first_mb_in_slice is the slice header's first field; 0 is coded as a single 1 bit.
        first_slice = header + 1 < end and stream[header + 1] & 0x80 != 0
        yield NalUnit(
            start,
            end,
            kind,
            opens_picture=kind in OPENERS or (kind in (SLICE, SLICE_A, IDR) and first_slice),
        )


def access_units(stream: bytes | mmap) -> Iterator[AccessUnit]:
    """The pictures of `stream` in order; together they cover it without a gap.

    Parameter sets, SEI and delimiters go to the picture that follows them. What trails
    after the last picture (an end-of-stream unit, say) goes to that one.
    """
    start: int | None = None
    end = 0
    seen: set[int] = set()
    for unit in nal_units(stream):
        has_picture = bool(seen & {SLICE, SLICE_A, IDR})
        if has_picture and unit.opens_picture:
            yield _unit(start, unit.start, seen)
            start, seen = unit.start, set()
        if start is None:
            start = unit.start
        seen.add(unit.type)
        end = unit.end
    if seen & {SLICE, SLICE_A, IDR}:
        yield _unit(start, end, seen)


def parameter_sets(stream: bytes | mmap, unit: AccessUnit) -> bytes:
    """The SPS and PPS bytes inside `unit`, with their start codes; empty where it has none."""
    data = bytes(stream[unit.start : unit.end])
    return b"".join(data[n.start : n.end] for n in nal_units(data) if n.type in (SPS, PPS))


def _unit(start: int | None, end: int, seen: set[int]) -> AccessUnit:
    return AccessUnit(start or 0, end, IDR in seen, {SPS, PPS} <= seen)
