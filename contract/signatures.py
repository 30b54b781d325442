"""What a file that is no raw H.264 stream looks like: its first bytes say."""

from __future__ import annotations

from contract.annexb import nal_units

_BEGINNINGS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM file",
    b"RIFF": "an AVI or WAV file",
    b"FLV": "a Flash video",
    b"PK\x03\x04": "a zip archive",
}
_HEVC_SETS = frozenset({b"\x40\x01", b"\x42\x01", b"\x44\x01"})  # VPS, SPS, PPS


def foreign_format(data: bytes) -> str | None:
    """What `data` is instead of an H.264 stream, as far as its first bytes tell; else None."""
    if data[4:8] == b"ftyp":
        return "an MP4 or QuickTime file"
    for beginning, name in _BEGINNINGS.items():
        if data.startswith(beginning):
            return name
    # H.264 has no unit of this form: its type would be 0, 2 or 4 with a first byte of 1.
    if {unit.data[:2] for unit in nal_units(data[:65536], most=64)} >= _HEVC_SETS:
        return "H.265 (HEVC)"
    return None
