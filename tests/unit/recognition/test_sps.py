"""A picture's size out of parameter sets that were written bit by bit."""

from __future__ import annotations

import re

import pytest

from contract.annexb import NalType, NalUnit
from recognition.sps import MalformedSps, parameter_set_id, picture_size


def golomb(value: int) -> str:
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def unit(bits: str, kind: int = 0x67, pad: str = "1") -> NalUnit:
    bits += pad
    bits += "0" * (-len(bits) % 8)
    raw = int(bits, 2).to_bytes(len(bits) // 8, "big")
    # As encoders keep start codes out.
    raw = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", raw)
    return NalUnit(bytes([kind]) + raw)


def sps(
    *, profile: int = 66, number: int = 0, high: str = "", order: str = golomb(2),
    width: int = 40, height: int = 30, progressive: str = "1",
) -> NalUnit:  # fmt: skip
    head = f"{profile:08b}" + "0" * 16 + golomb(number) + high + golomb(0)
    return unit(head + order + golomb(4) + "1" + golomb(width - 1) + golomb(height - 1)
                + progressive)  # fmt: skip


def test_a_picture_is_so_many_blocks_of_16_px_and_fields_are_half_as_high():
    assert picture_size(sps(width=40, height=30)) == (640, 480)
    assert picture_size(sps(width=120, height=34, progressive="0")) == (1920, 1088)


def test_pictures_in_another_order_are_as_large():
    by_type_0 = golomb(0) + golomb(5)
    by_type_1 = golomb(1) + "1" + golomb(3) + golomb(4) + golomb(2) + golomb(7) + golomb(9)
    for order in (by_type_0, by_type_1):
        assert picture_size(sps(order=order)) == (640, 480)


HIGH = golomb(1) + golomb(0) + golomb(0) + "0"


@pytest.mark.parametrize("profile", [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135])
def test_high_profiles_say_more_before_their_size(profile):
    assert picture_size(sps(profile=profile, high=HIGH + "0")) == (640, 480)


def test_colors_in_full_are_said_with_one_bit_more_and_four_more_lists():
    full = golomb(3) + "0" + golomb(0) + golomb(0) + "0"
    assert picture_size(sps(profile=244, high=full + "0")) == (640, 480)
    lists = "1" + "0" * 11 + "1" + flat_list(64)
    assert picture_size(sps(profile=244, high=full + lists)) == (640, 480)


def signed(value: int) -> str:
    return golomb(2 * value - 1 if value > 0 else -2 * value)


def flat_list(size: int) -> str:
    """A list with a step at each place: none ends early."""
    return signed(1) * size


@pytest.mark.parametrize(
    "lists",
    [
        "0" * 8,
        "1" + flat_list(16) + "0" * 7,
        "0" * 5 + "1" + flat_list(16) + "00",
        "0" * 6 + "1" + flat_list(64) + "0",
        "1" + signed(-8) + "0" * 7,  # 8 - 8 is 0: the rest is as the last was
        "1" + signed(1) + signed(-9) + "0" * 7,
        "1" + signed(127) + signed(121) + "0" * 7,  # 8 + 127 + 121 is 256, which is 0
    ],
    ids=["none", "first", "sixth", "a large one", "ends at once", "ends later", "goes around"],
)
def test_scaling_lists_are_passed_over_exactly(lists):
    assert picture_size(sps(profile=100, high=HIGH + "1" + lists)) == (640, 480)


@pytest.mark.parametrize("number", [0, 1, 30, 255])
def test_a_parameter_set_has_the_id_that_it_says(number):
    assert parameter_set_id(sps(number=number)) == number
    pps = unit(golomb(number) + golomb(0), kind=0x68)
    assert pps.type == NalType.PPS
    assert parameter_set_id(pps) == number


def test_an_id_that_none_can_have_is_malformed():
    with pytest.raises(MalformedSps, match="256"):
        parameter_set_id(sps(number=256))


def test_what_ends_early_is_malformed_and_what_ends_just_there_is_not():
    whole = sps()
    for size in range(1, len(whole.data) - 1):
        with pytest.raises(MalformedSps, match="too early"):
            picture_size(NalUnit(whole.data[:size]))
    bits = f"{66:08b}" + "0" * 16 + golomb(0) + golomb(0) + golomb(2) + golomb(4) + "1"
    exact = bits + golomb(0) + golomb(1) + "1"
    assert len(exact) % 8 == 0
    assert picture_size(unit(exact, pad="")) == (16, 32)


def test_a_number_of_32_bits_is_read_and_a_longer_one_is_not():
    most = 2**33 - 2
    assert picture_size(sps(width=most + 1)) == (16 * (most + 1), 480)
    with pytest.raises(MalformedSps, match="32 bits"):
        picture_size(sps(width=most + 2))


def test_a_picture_order_that_goes_on_and_on_is_read_no_further_than_it_may():
    many = golomb(1) + "1" + golomb(3) + golomb(4) + golomb(2**20) + golomb(7) * 256
    assert picture_size(sps(order=many)) == (640, 480)


@pytest.mark.parametrize("order", [golomb(2), golomb(0) + golomb(5), golomb(0) + golomb(0)])
def test_there_are_eight_lists(order):
    for lists in ("0" * 8, "0" * 7 + "1" + flat_list(64)):
        high = HIGH + "1" + lists
        assert picture_size(sps(profile=100, high=high, order=order)) == (640, 480)
