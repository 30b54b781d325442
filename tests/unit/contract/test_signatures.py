"""A file that is no H.264 stream is called what it is; a stream is never taken for another."""

from __future__ import annotations

import pytest

from contract.signatures import foreign_format
from tests.fakes.h264 import stream

VPS, SPS, PPS = (b"\0\0\1" + bytes([first, 1, 7]) for first in (0x40, 0x42, 0x44))


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"\x00\x00\x00\x20ftypisom", "MP4"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n", "PNG"),
        (b"\x1a\x45\xdf\xa3", "WebM"),
        (b"RIFF", "AVI"),
        (b"FLV\x01", "Flash"),
        (b"PK\x03\x04", "zip"),
        (VPS + SPS + PPS, "H.265"),
        (VPS + SPS + PPS + b"\0\0\1\x26\x01slice", "H.265"),
    ],
)
def test_what_is_no_stream_is_named(beginning, name):
    assert name in foreign_format(beginning)
    assert name in foreign_format(beginning + b"\xff" * 100)


@pytest.mark.parametrize(
    "data", [b"", b"ftyp", b"xxxftypx", VPS + SPS, SPS + PPS, stream(3), b"x" + b"\x89PNG"]
)
def test_a_stream_or_what_nobody_knows_is_not_called_anything(data):
    assert foreign_format(data) is None


def test_the_sets_of_hevc_count_only_where_a_stream_begins():
    filler = b"\0\0\1\x41\x9a"
    assert foreign_format(filler * 61 + VPS + SPS + PPS) == "H.265 (HEVC)"
    assert foreign_format(filler * 62 + VPS + SPS + PPS) is None
