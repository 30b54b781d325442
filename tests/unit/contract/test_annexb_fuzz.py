"""Whatever bytes come, cutting them ends, covers what it says and invents nothing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contract.annexb import access_units, nal_units
from device.sources.fixture import cut_at_key_frames

# Random bytes hardly ever hold a start code; these are made of what matters.
START_CODES = (b"\0\0\1", b"\0\0\0\1", b"\0", b"\1")
HEADERS = (b"\x67", b"\x68", b"\x65\x88", b"\x41\x88", b"\x41\x48", b"\x09\xf0", b"\x06")
PIECES = st.sampled_from((*START_CODES, *HEADERS, b"\xff\xee"))
STREAMS = st.lists(PIECES, max_size=60).map(b"".join) | st.binary(max_size=200)


@given(STREAMS)
def test_units_follow_one_another_inside_the_stream(data: bytes):
    units = list(nal_units(data))
    assert all(0 <= unit.start < unit.end <= len(data) for unit in units)
    assert all(before.end <= after.start for before, after in pairwise(units))
    pictures = list(access_units(nal_units(data)))
    assert all(before.end <= after.start for before, after in pairwise(pictures))
    assert all(0 <= picture.start < picture.end <= len(data) for picture in pictures)


@given(STREAMS, st.integers(1, 5))
def test_cuts_lose_no_picture_after_the_first_key_frame(data: bytes, frames_per_clip: int):
    pictures = list(access_units(nal_units(data)))
    keys = [number for number, picture in enumerate(pictures) if picture.is_key]
    cuts = cut_at_key_frames(data, frames_per_clip)
    assert sum(cut.frames for cut in cuts) == (len(pictures) - keys[0] if keys else 0)
    assert all(cut.frames >= frames_per_clip for cut in cuts[:-1])
    assert all(before.end == after.start for before, after in pairwise(cuts))
