from __future__ import annotations

import itertools
import time
from pathlib import Path
from threading import Event

import pytest

from contract.annexb import access_units, nal_units
from device.sources import SourceError, SourceOptions, open_source
from device.sources.fixture import FixtureSource, cut_at_key_frames
from tests.fakes.h264 import PPS, SPS, slice_unit, stream

FAST = SourceOptions(speed=1000)


def source(tmp_path: Path, data: bytes, options: SourceOptions = FAST) -> FixtureSource:
    path = tmp_path / "clip.h264"
    path.write_bytes(data)
    return FixtureSource(path, options)


def test_the_clips_put_together_are_the_file_again(tmp_path: Path):
    data = stream(67, key_every=15)
    clips = list(source(tmp_path, data).clips(Event()))
    assert b"".join(clip.data for clip in clips) == data
    assert [clip.frames for clip in clips] == [15, 15, 15, 15, 7]


def test_every_clip_begins_with_its_own_parameter_sets_and_key_frame(tmp_path: Path):
    for clip in source(tmp_path, stream(60)).clips(Event()):
        first = next(iter(access_units(nal_units(clip.data))))
        assert first.is_key
        assert first.is_self_contained


def test_headers_given_only_once_are_put_before_every_clip(tmp_path: Path):
    data = stream(45, repeat_headers=False)
    clips = list(source(tmp_path, data).clips(Event()))
    assert len(clips) == 3
    assert all(clip.data.startswith(SPS + PPS) for clip in clips)
    assert b"".join(clip.data.removeprefix(SPS + PPS) for clip in clips) == data.removeprefix(
        SPS + PPS
    )


def test_a_clip_ends_at_the_first_key_frame_from_the_wanted_length():
    cuts = cut_at_key_frames(stream(90, key_every=10), frames_per_clip=15)
    assert [cut.frames for cut in cuts] == [20, 20, 20, 20, 10]


def test_pictures_before_the_first_key_frame_are_left_out(tmp_path: Path):
    data = slice_unit(1, b"z" * 20) * 3 + stream(15)
    (clip,) = source(tmp_path, data).clips(Event())
    assert clip.frames == 15
    assert clip.data == stream(15)


def test_times_follow_one_another_without_a_gap_over_a_loop(tmp_path: Path):
    options = SourceOptions(speed=50, loop=True, fps=30)
    stop = Event()
    clips = []
    for clip in source(tmp_path, stream(60), options).clips(stop):
        clips.append(clip)
        if len(clips) == 9:
            stop.set()
    assert len(clips) == 9
    assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(clips))
    length = clips[0].end_ns - clips[0].start_ns
    assert abs(length - 15 / 30 / 50 * 1e9) <= 1


def test_a_clip_does_not_appear_before_its_last_frame_is_over(tmp_path: Path):
    for clip in source(tmp_path, stream(60), SourceOptions(speed=20)).clips(Event()):
        assert time.monotonic_ns() >= clip.end_ns - 1_000_000


def test_a_slow_consumer_gets_every_clip_with_the_times_it_had(tmp_path: Path):
    clips = source(tmp_path, stream(60), SourceOptions(speed=100)).clips(Event())
    first = next(clips)
    Event().wait(0.1)
    rest = list(clips)
    assert len(rest) == 3
    assert rest[0].start_ns == first.end_ns


def test_stop_ends_the_wait_for_the_next_clip_at_once(tmp_path: Path):
    stop = Event()
    stop.set()
    assert list(source(tmp_path, stream(60), SourceOptions(speed=0.001)).clips(stop)) == []


@pytest.mark.parametrize("data", [b"", b"hello, I am a text file\n", SPS + PPS], ids=repr)
def test_a_file_without_a_key_frame_is_refused_with_a_hint(tmp_path: Path, data: bytes):
    with pytest.raises(SourceError, match="Annex-B"):
        source(tmp_path, data)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SourceError, match=r"nowhere\.h264"):
        open_source(str(tmp_path / "nowhere.h264"), FAST)
