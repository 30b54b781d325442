"""A clip's bytes, taken apart: coded pictures, grouped by the key frame they hang on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from contract.annexb import AccessUnit, NalType, NalUnit, access_units, nal_units
from recognition.errors import (
    FrameTooLarge,
    NoKeyFrame,
    NoParameterSets,
    NotH264,
    TooManyUnits,
)
from recognition.sps import MalformedSps, parameter_set_id, picture_size

# A stream of start codes alone would otherwise become millions of objects.
MAX_NAL_UNITS = 50_000
# Slices may cover one another: in one picture of many, a decoder could work for minutes.
MAX_SLICES = 512
# A stream has room for 32; reading many more would be work for nothing.
MAX_DISTINCT_SPS = 256
_ESSENTIAL = (NalType.SLICE, NalType.IDR_SLICE, NalType.SPS, NalType.PPS)


@dataclass(frozen=True)
class Group:
    """A key frame and the pictures up to the next one: `start` to `end` (exclusive)."""

    start: int
    end: int


@dataclass(frozen=True)
class Parts:
    """`cuts` says what the limits above left out."""

    pictures: tuple[AccessUnit, ...]
    groups: tuple[Group, ...]
    cuts: tuple[str, ...]


def take_apart(data: bytes, max_frame_px: int) -> Parts:
    """The coded pictures of a clip; nothing is decoded.

    Raises
    ------
    NotH264, TooManyUnits
        When there is nothing of a video in it, or nothing within the limits.
    NoParameterSets, NoKeyFrame
        When what a decoder needs is missing.
    FrameTooLarge
        When its pictures are larger than `max_frame_px` on a side.
    """
    units = list(nal_units(data, most=MAX_NAL_UNITS))
    is_cut = data.count(b"\x00\x00\x01") > MAX_NAL_UNITS
    if not any(unit.type in _ESSENTIAL for unit in units):
        raise TooManyUnits(MAX_NAL_UNITS) if is_cut else NotH264()
    _check_parameter_sets(units, max_frame_px)
    cuts = [f"only its first {MAX_NAL_UNITS} NAL units were looked at"] if is_cut else []
    pictures = list(access_units(units))
    for index, picture in enumerate(pictures):
        if len(picture.units) > MAX_SLICES:
            cut = picture.units[:MAX_SLICES]
            pictures[index] = AccessUnit(cut, picture.start, cut[-1].end)
            cuts.append(f"pictures of more than {MAX_SLICES} slices were looked at in part")
    groups = _groups(pictures)
    if not groups:
        raise NoKeyFrame
    return Parts(tuple(pictures), groups, tuple(dict.fromkeys(cuts)))


def _check_parameter_sets(units: list[NalUnit], max_frame_px: int) -> None:
    sets = {unit.data for unit in units if unit.type == NalType.SPS}
    if len(sets) > MAX_DISTINCT_SPS:
        raise TooManyUnits(MAX_DISTINCT_SPS)
    sizes = []
    for data in sets:
        try:
            sizes.append(picture_size(NalUnit(data)))
        except MalformedSps:
            continue
    if not sizes or not any(unit.type == NalType.PPS for unit in units):
        raise NoParameterSets
    for width, height in sizes:
        if max(width, height) > max_frame_px:
            raise FrameTooLarge(width, height, max_frame_px)


def _groups(pictures: list[AccessUnit]) -> tuple[Group, ...]:
    starts = [index for index, picture in enumerate(pictures) if picture.is_key]
    ends = [*starts[1:], len(pictures)]
    return tuple(Group(start, end) for start, end in zip(starts, ends, strict=False))


class ParameterSets:
    """What a decoder knows of the stream by now: the newest parameter set of each id.

    A camera may send them only once, at the head; every decoder that starts later needs them.
    """

    def __init__(self, pictures: tuple[AccessUnit, ...]) -> None:
        self._pictures = pictures
        self._learned = 0
        self._sets: dict[tuple[int, int], NalUnit] = {}

    def before(self, index: int) -> bytes:
        """Those in force before the picture at `index`. Call it with rising indices."""
        for picture in self._pictures[self._learned : index]:
            for unit in picture.units:
                if unit.type in (NalType.SPS, NalType.PPS):
                    with suppress(MalformedSps):
                        self._sets[unit.type, parameter_set_id(unit)] = unit
        self._learned = max(self._learned, index)
        # SPS first: a PPS is read in the light of the one it names.
        return AccessUnit(tuple(self._sets[key] for key in sorted(self._sets))).to_bytes()
