from __future__ import annotations

import itertools

from contract.annexb import AccessUnit, NalUnit, access_units, nal_units
from tests.fakes.h264 import DELIMITER, PPS, SEI, SPS, slice_unit, stream


def test_units_of_pictures_cover_the_stream_without_a_gap():
    data = stream(31, key_every=10)
    units = list(access_units(nal_units(data)))
    assert len(units) == 31
    assert units[0].start == 0
    assert units[-1].end == len(data)
    assert all(a.end == b.start for a, b in itertools.pairwise(units))
    assert [n for n, unit in enumerate(units) if unit.is_key] == [0, 10, 20, 30]
    assert all(unit.is_self_contained == unit.is_key for unit in units)


def test_a_picture_of_several_slices_is_one_picture():
    assert len(list(access_units(nal_units(stream(12, key_every=4, slices=5))))) == 12


def test_three_and_four_byte_start_codes_may_mix():
    long = b"\0\0\0\1"
    data = SPS + PPS + slice_unit(5, b"a" * 9) + slice_unit(1, b"b" * 9, start=long)
    units = list(access_units(nal_units(data)))
    assert len(units) == 2
    assert data[units[1].start :].startswith(long)


def test_delimiters_and_sei_belong_to_the_picture_that_follows():
    picture = DELIMITER + SEI + b"\x01" + slice_unit(1, b"x" * 5)
    data = DELIMITER + SPS + PPS + slice_unit(5, b"y" * 5) + picture * 3
    units = list(access_units(nal_units(data)))
    assert [data[u.start : u.end].startswith(DELIMITER) for u in units] == [True] * 4


def test_junk_before_the_first_start_code_is_skipped():
    data = b"junk" + stream(2)
    assert next(iter(access_units(nal_units(data)))).start == 4


def test_streams_without_pictures_have_none():
    assert list(access_units(nal_units(b""))) == []
    assert list(access_units(nal_units(b"\0\0\1"))) == []
    assert list(access_units(nal_units(b"no start code at all"))) == []
    assert list(access_units(nal_units(SPS + PPS))) == []


def test_parameter_sets_are_taken_with_their_start_codes():
    data = stream(1)
    (unit,) = access_units(nal_units(data))
    assert unit.parameter_sets == SPS + PPS


def test_unit_types_are_those_of_the_header():
    assert [unit.type for unit in nal_units(stream(2))] == [7, 8, 6, 5, 1]


def test_not_more_start_codes_are_looked_at_than_asked_for():
    units = b"\0\0\1\x67a" * 5
    assert [len(list(nal_units(units, most))) for most in (0, 1, 3, 5, 9)] == [0, 1, 3, 5, 5]
    assert len(list(nal_units(units))) == 5


def test_a_units_place_takes_in_the_fourth_zero_byte_before_it_and_no_other():
    data = b"\0\0\0\1\x67a" + b"\0\0\1\x68b" + b"\0\0\0\1\x65c"
    assert [(unit.start, unit.end) for unit in nal_units(data)] == [(0, 6), (6, 11), (11, 17)]
    assert [unit.start for unit in nal_units(b"\x01\0\0\1\x67a")] == [1]


def test_a_slice_of_a_header_alone_opens_no_picture_and_one_with_its_first_bit_does():
    assert not NalUnit(b"\x65").opens_picture
    assert NalUnit(b"\x65\x80").opens_picture
    assert not NalUnit(b"\x65\x7f").opens_picture


def test_a_picture_needs_both_parameter_sets_to_stand_alone():
    sps, pps, idr = NalUnit(b"\x67"), NalUnit(b"\x68"), NalUnit(b"\x65\x88")
    assert AccessUnit((sps, pps)).is_self_contained
    assert AccessUnit((sps, pps, idr)).is_self_contained
    assert not AccessUnit((sps, idr)).is_self_contained
    assert not AccessUnit((pps, idr)).is_self_contained


def test_a_stream_that_begins_with_its_start_code_and_ends_with_a_zero_begins_at_its_first_byte():
    (unit,) = nal_units(b"\x00\x00\x01\x65\x80\x00")
    assert (unit.start, unit.data) == (0, b"\x65\x80")
