"""Clips as they really arrive: broken, cut, foreign, hostile."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.annexb import NalType, NalUnit, access_units, nal_units
from recognition import ClipRejected, Settings
from recognition.decode import Clip
from recognition.errors import (
    ClipTooLarge,
    EmptyClip,
    FrameTooLarge,
    NoKeyFrame,
    NoParameterSets,
    NotH264,
    Undecodable,
)
from recognition.sps import MalformedSps, picture_size

LIMITS = Settings()


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """A ramp that moves: every frame has its own first pixel."""
    ramp = np.linspace(0, 120, 160, dtype=np.uint8)
    return [
        np.broadcast_to(ramp[None, :, None] + 8 * index, (128, 160, 3)).astype(np.uint8)
        for index in range(15)
    ]


@pytest.fixture(scope="module")
def stream(frames, encode) -> bytes:
    return encode(frames)


def units_of(stream: bytes) -> list[NalUnit]:
    return list(nal_units(stream))


def join(units) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + unit.data for unit in units)


def without(stream: bytes, *types: int) -> bytes:
    return join(unit for unit in units_of(stream) if unit.type not in types)


def decoded(data: bytes, count: int = 5, limits: Settings = LIMITS) -> list:
    return list(Clip(data, limits).frames(count))


def outcome(data: bytes, count: int = 5) -> list | ClipRejected:
    """The frames, or why there are none; any other error fails the test."""
    try:
        return decoded(data, count)
    except ClipRejected as error:
        return error


def test_first_frame_costs_one_decoded_picture(stream):
    clip = Clip(stream, LIMITS)
    frame = next(clip.frames(5))
    assert frame.is_first
    assert (frame.index, clip.pictures_decoded) == (0, 1)
    assert frame.to_rgb().shape == (128, 160, 3)


def test_frames_are_spread_over_the_whole_clip(stream, frames):
    found = decoded(stream)
    assert [frame.index for frame in found] == [0, 3, 7, 10, 14]
    assert [frame.is_last for frame in found] == [False] * 4 + [True]
    for frame in found:
        assert np.abs(frame.to_rgb().astype(int) - frames[frame.index]).mean() < 6


def test_colors_are_rgb(encode):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    (frame,) = decoded(encode([red]), 1)
    r, g, b = frame.to_rgb().mean((0, 1))
    assert r > 180
    assert max(g, b) < 20


def test_pictures_between_key_frames_that_nobody_wants_are_not_decoded(frames, encode):
    clip = Clip(encode(frames * 4, key_every=15), LIMITS)
    wanted = [frame.index for frame in clip.frames(2)]
    assert wanted == [0, 59]
    assert clip.pictures_decoded == 1 + 15  # the first, then from the last key frame on


def test_more_frames_wanted_than_there_are(encode, frames):
    assert [frame.index for frame in decoded(encode(frames[:2]), 5)] == [0, 1]


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "main", "bf": "2"},
        {"profile": "high", "flags": "+ildct"},
        {"profile": "high", "slices": "4"},
        {"profile": "high444", "qp": "20"},
    ],
    ids=["b frames", "interlaced", "four slices", "another profile"],
)
def test_streams_that_no_pi_makes(frames, encode, options):
    found = decoded(encode(frames, **options))
    assert len(found) >= 3
    assert np.abs(found[0].to_rgb().astype(int) - frames[0]).mean() < 8
    for frame in found:
        nearest = min(np.abs(frame.to_rgb().astype(int) - each).mean() for each in frames)
        assert nearest < 8


def test_zero_bytes():
    with pytest.raises(EmptyClip, match="no bytes"):
        Clip(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"just a text file\nnamed .h264\n",
        b"\x00" * 5000,
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 4,
        b"\x00\x00\x00\x20ftypisom" + b"\x00\x00\x01\x67" * 9,
        b"\x00\x00\x01",
        b"\x00\x00\x01\x00\x00\x01\x00\x00\x01",
    ],
    ids=["text", "zeros", "jpeg", "mp4", "start code alone", "start codes alone"],
)
def test_what_is_not_h264(data):
    with pytest.raises(NotH264, match="not MP4"):
        Clip(data, LIMITS)


def test_clip_without_sps_and_pps(stream):
    with pytest.raises(NoParameterSets, match="repeat headers"):
        Clip(without(stream, NalType.SPS, NalType.PPS), LIMITS)


def test_clip_without_pps(stream):
    with pytest.raises(NoParameterSets):
        Clip(without(stream, NalType.PPS), LIMITS)


def test_clip_of_parameter_sets_alone(stream):
    with pytest.raises(NoKeyFrame):
        Clip(join(units_of(stream)[:2]), LIMITS)


def test_clip_cut_between_key_frames(stream):
    with pytest.raises(NoKeyFrame, match="IDR"):
        Clip(without(stream, NalType.IDR_SLICE), LIMITS)


def test_pictures_before_the_first_key_frame_are_skipped(frames, encode):
    stream = encode(frames, key_every=5)
    units = units_of(stream)
    first_key = next(i for i, unit in enumerate(units) if unit.type == NalType.IDR_SLICE)
    tail = join(units[:2]) + join(units[first_key + 1 :])
    found = decoded(tail)
    assert found[0].index == 4  # four pictures of the first group have lost their key frame
    assert np.abs(found[0].to_rgb().astype(int) - frames[5]).mean() < 6


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
def test_truncated_clip_gives_frames_or_one_clear_error(stream, share):
    found = outcome(stream[: int(len(stream) * share)])
    if isinstance(found, ClipRejected):
        assert "\n" not in str(found)
    else:
        assert found[0].to_rgb().shape == (128, 160, 3)


def test_key_frame_of_garbage(stream):
    units = units_of(stream)
    broken = [
        NalUnit(unit.data[:2] + b"\xff" * 40) if unit.type == NalType.IDR_SLICE else unit
        for unit in units[:4]
    ]
    found = outcome(join(broken), 1)
    # A decoder that conceals what it can't read is as good.
    assert isinstance(found, Undecodable) or len(found) == 1


def test_damage_in_the_middle_keeps_the_frames_before_it(stream, frames):
    units = units_of(stream)
    for index in range(9, len(units)):
        units[index] = NalUnit(units[index].data[:3])
    found = decoded(join(units))
    assert found
    assert np.abs(found[0].to_rgb().astype(int) - frames[0]).mean() < 6


def test_too_many_bytes(stream):
    with pytest.raises(ClipTooLarge, match="shorter clips"):
        Clip(stream, Settings(max_clip_bytes=len(stream) - 1))


def sps_of_size(width_mbs: int, height_mbs: int) -> bytes:
    """A baseline SPS, written bit by bit."""

    def golomb(value: int) -> str:
        code = bin(value + 1)[2:]
        return "0" * (len(code) - 1) + code

    bits = f"{66:08b}" + "0" * 8 + f"{51:08b}" + golomb(0) + golomb(0) + golomb(2) + golomb(1)
    bits += "0" + golomb(width_mbs - 1) + golomb(height_mbs - 1) + "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    raw = int(bits, 2).to_bytes(len(bits) // 8, "big")
    # Encoders keep start codes out of the payload.
    for tail in (b"\x00", b"\x01", b"\x02", b"\x03"):
        raw = raw.replace(b"\x00\x00" + tail, b"\x00\x00\x03" + tail)
    return b"\x67" + raw


@pytest.mark.parametrize("size", [(1024, 1024), (1, 60000), (2**20, 2)])
def test_huge_dimensions_are_refused_before_anything_is_allocated(stream, size):
    hostile = b"\x00\x00\x01" + sps_of_size(*size) + without(stream, NalType.SPS)
    with pytest.raises(FrameTooLarge, match="resolution"):
        Clip(hostile, LIMITS)


def test_second_sps_with_huge_dimensions(stream):
    hostile = stream + b"\x00\x00\x01" + sps_of_size(1024, 1024)
    with pytest.raises(FrameTooLarge):
        Clip(hostile, LIMITS)


def test_picture_size_is_read_from_the_sps(stream):
    (sps,) = (unit for unit in units_of(stream) if unit.type == NalType.SPS)
    assert picture_size(sps) == (160, 128)
    assert picture_size(NalUnit(sps_of_size(120, 68))) == (1920, 1088)


def groups_of(stream: bytes) -> list[list[NalUnit]]:
    """The NAL units of each key frame and what hangs on it, parameter sets at their head."""
    groups: list[list[NalUnit]] = []
    for picture in access_units(units_of(stream)):
        if picture.is_key:
            groups.append([])
        groups[-1] += picture.units
    return groups


def test_sps_and_pps_only_once_at_the_head_serve_every_later_key_frame(frames, encode):
    """What a camera sends that does not repeat its headers (`--inline` off)."""
    first, *others = groups_of(encode(frames * 4, key_every=15))
    late = [unit for group in others for unit in group if unit.type not in (7, 8)]
    clip = Clip(join([*first, *late]), LIMITS)
    found = list(clip.frames(5))
    assert [frame.index for frame in found] == [0, 15, 30, 45, 59]
    for frame in found:
        assert np.abs(frame.to_rgb().astype(int) - frames[frame.index % 15]).mean() < 6
    assert clip.shortfall is None


def test_parameter_sets_that_change_on_the_way_count_from_there_on(frames, encode):
    """A second recording with other headers under the same ids, joined to the first."""
    turned = [frame.transpose(1, 0, 2).copy() for frame in frames]
    clip = Clip(encode(frames) + encode(turned), LIMITS)
    shapes = [frame.to_rgb().shape for frame in clip.frames(4)]
    assert shapes == [(128, 160, 3)] * 2 + [(160, 128, 3)] * 2


@pytest.mark.parametrize("broken", [0, 1, 3])
def test_a_damaged_part_costs_that_part_and_not_the_clip(frames, encode, broken):
    groups = groups_of(encode(frames * 4, key_every=15))
    groups[broken] = [
        NalUnit(unit.data[:9] + b"\xff" * 30) if unit.is_slice else unit for unit in groups[broken]
    ]
    clip = Clip(join(unit for group in groups for unit in group), LIMITS)
    found = list(clip.frames(5))
    assert {frame.index // 15 for frame in found} >= {0, 1, 2, 3} - {broken}
    for frame in found:
        assert np.abs(frame.to_rgb().astype(int) - frames[frame.index % 15]).mean() < 6
    assert clip.shortfall == "1 of 4 parts of the clip are damaged"
    assert found[0].is_first


def test_the_key_frame_after_a_damaged_part_comes_before_later_ones(frames, encode):
    """Of few frames it is none of those wanted, and frames come in the clip's order."""
    groups = groups_of(encode(frames * 4, key_every=15))
    groups[0] = [
        NalUnit(unit.data[:9] + b"\xff" * 30) if unit.is_slice else unit for unit in groups[0]
    ]
    found = decoded(join(unit for group in groups for unit in group), 3)
    assert [frame.index for frame in found] == [15, 45, 59]


def test_all_key_frames_are_not_told_as_a_part_of_them(frames, encode):
    clip = Clip(encode(frames * 4, key_every=15), LIMITS)
    assert len(list(clip.frames(4))) == 4
    assert clip.shortfall is None


def test_a_clip_of_one_damaged_part_is_rejected_with_libav_s_reason(frames, encode):
    (group,) = groups_of(encode(frames, key_every=15))
    damaged = [NalUnit(unit.data[:9] + b"\xff" * 30) if unit.is_slice else unit for unit in group]
    with pytest.raises(Undecodable, match=r"\Aundecodable: [\[\w]"):
        list(Clip(join(damaged), LIMITS).frames(3))


def test_what_was_not_looked_at_begins_with_what_is_damaged(frames, encode):
    groups = groups_of(encode(frames * 4, key_every=15))
    groups[0] = [
        NalUnit(unit.data[:9] + b"\xff" * 30) if unit.is_slice else unit for unit in groups[0]
    ]
    whole = join(unit for group in groups for unit in group)
    clip = Clip(whole + b"\x00\x00\x01\x06" * 60_000, LIMITS)
    assert len(list(clip.frames(2))) == 2
    first, second, third = clip.shortfall.split("; ")
    assert first == "1 of 4 parts of the clip are damaged"
    assert "NAL units" in second
    assert third == "2 of 4 key frames were looked at"


def test_pictures_before_the_damage_in_a_part_count(frames, encode):
    groups = groups_of(encode(frames * 2, key_every=15))
    slices = [index for index, unit in enumerate(groups[1]) if unit.is_slice]
    for index in slices[8:]:
        groups[1][index] = NalUnit(groups[1][index].data[:3])
    clip = Clip(join(unit for group in groups for unit in group), LIMITS)
    assert [frame.index for frame in clip.frames(3)] == [0, 15, 22]
    assert "1 of 2 parts" in clip.shortfall


def test_a_clip_of_damage_alone_is_undecodable(frames, encode):
    units = units_of(encode(frames * 3, key_every=15))
    broken = [NalUnit(unit.data[:3]) if unit.is_slice else unit for unit in units]
    with pytest.raises(Undecodable):
        decoded(join(broken))


def test_a_clip_of_600_pictures_is_sampled_to_its_end_at_its_key_frames(frames, encode):
    clip = Clip(encode(frames * 40, key_every=15), LIMITS)
    found = [frame.index for frame in clip.frames(12)]
    assert (clip.pictures_seen, clip.key_frames, len(found)) == (600, 40, 12)
    assert all(index % 15 == 0 for index in found[:-1])
    assert found[0] == 0
    assert found[-1] == 599
    assert max(after - before for before, after in pairwise(found)) <= 60
    assert clip.pictures_decoded == 11 + 14
    assert clip.shortfall == "12 of 40 key frames were looked at"


@pytest.mark.parametrize(("key_frames", "count"), [(1, 5), (2, 5), (3, 5), (4, 2), (5, 5), (9, 1)])
def test_no_more_frames_than_asked_for_and_every_key_frame_if_there_is_room(
    frames, encode, key_frames, count
):
    clip = Clip(encode(frames * key_frames, key_every=15), LIMITS)
    found = [frame.index for frame in clip.frames(count)]
    assert len(found) == count
    assert found == sorted(found)
    if key_frames < count:
        assert {15 * key for key in range(key_frames)} <= set(found)


class SlowClock:
    """Each look at it takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_decoding_stops_when_its_time_is_over_and_says_so(frames, encode):
    clip = Clip(encode(frames * 4, key_every=15), Settings(max_decode_s=10), SlowClock())
    found = list(clip.frames(5))
    assert 1 <= len(found) < 5
    assert clip.shortfall == "decoding it was stopped after 10 s"


def test_no_time_is_spent_before_the_first_picture(stream):
    clip = Clip(stream, Settings(max_decode_s=0.5), lambda: 0.0)
    assert len(list(clip.frames(5))) == 5


def test_a_clip_that_takes_all_its_time_without_a_picture_is_rejected_with_the_reason(stream):
    told = (
        r"\Aundecodable: decoding it was stopped after 0\.5 s; the clip is truncated or corrupt\Z"
    )
    with pytest.raises(Undecodable, match=told):
        list(Clip(stream, Settings(max_decode_s=0.5), SlowClock()).frames(5))


@pytest.mark.parametrize(
    "flood",
    [b"\x00\x00\x01" * 7_000_000, b"\x00\x00\x01\xff" * 5_000_000, b"\x00\x00\x01\x06" * 5_000_000],
    ids=["start codes alone", "forbidden units", "tiny units"],
)
def test_a_flood_of_start_codes_costs_little(flood):
    """It took 9 s of CPU: what was not a unit was not counted."""
    began = time.process_time()
    with pytest.raises(ClipRejected, match="pieces"):
        Clip(flood, LIMITS)
    assert time.process_time() - began < 3


def test_a_clip_before_a_flood_is_answered_and_the_rest_told(stream):
    clip = Clip(stream + b"\x00\x00\x01\x06" * 60_000, LIMITS)
    assert len(list(clip.frames(5))) == 5
    assert "NAL units" in clip.shortfall


def test_a_picture_of_thousands_of_slices_is_decoded_in_part(stream):
    """Slices may cover one another, so that a single picture can keep a decoder for minutes."""
    key = next(unit for unit in units_of(stream) if unit.type == NalType.IDR_SLICE)
    again = NalUnit(key.data[:1] + b"\x40" + key.data[2:])  # not the first of its picture
    clip = Clip(join([*units_of(stream)[:3], *[again] * 5000]), LIMITS)
    assert "slices" in clip.shortfall


def test_hundreds_of_different_sps_are_refused():
    many = b"".join(b"\x00\x00\x01" + sps_of_size(10 + n, 10) for n in range(1, 400))
    with pytest.raises(ClipRejected, match="pieces"):
        Clip(many, LIMITS)


@pytest.mark.parametrize("start", [b"\x00\x00\x00\x01", b"\x00\x00\x01"])
def test_hevc_named_h264_is_called_by_its_name(start):
    units = (
        b"\x40\x01\x0c\x01",
        b"\x42\x01\x01\x60",
        b"\x44\x01\xc1\x72",
        b"\x26\x01\xaf\x09" * 50,
    )
    with pytest.raises(NotH264, match="HEVC"):
        Clip(b"".join(start + unit for unit in units), LIMITS)


def test_stream_of_start_codes_is_bounded():
    data = b"\x00\x00\x01\x67" * 2_000_000
    with pytest.raises(ClipRejected):
        Clip(data, LIMITS)


def test_slices_of_one_picture_stay_together(stream):
    first = NalUnit(b"\x65\x88\x80")
    second = NalUnit(b"\x65\x40\x80")  # first_mb_in_slice is not 0
    pictures = access_units([first, second, first])
    assert [len(picture.units) for picture in pictures] == [2, 1]


@given(st.binary(max_size=3000))
@settings(max_examples=300, deadline=None)
def test_nal_units_are_what_lies_between_start_codes(data):
    units = units_of(data)
    assert join(units_of(join(units))) == join(units)
    for unit in units:
        assert unit.data
        assert b"\x00\x00\x01" not in unit.data
        assert unit.data in data


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_sps_has_a_size_or_is_malformed(data):
    try:
        width, height = picture_size(NalUnit(b"\x67" + data))
    except MalformedSps:
        return
    assert width >= 16
    assert height >= 16


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_rejected_by_name(data):
    with pytest.raises(ClipRejected) as caught:
        decoded(data)
    assert "\n" not in str(caught.value)


@given(
    places=st.lists(st.integers(0, 10**6), min_size=1, max_size=30),
    values=st.binary(min_size=30, max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_flipped_bytes_give_frames_or_one_clear_error(stream, places, values):
    damaged = bytearray(stream)
    for place, value in zip(places, values, strict=False):
        damaged[place % len(damaged)] = value
    found = outcome(bytes(damaged))
    if isinstance(found, ClipRejected):
        assert "\n" not in str(found)
    else:
        assert all(before.index < after.index for before, after in pairwise(found))
