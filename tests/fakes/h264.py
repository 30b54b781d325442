"""Annex-B streams made of plausible NAL units: right types and headers, meaningless slices."""

from __future__ import annotations

import random

SPS = bytes.fromhex("000000016742c01e")
PPS = bytes.fromhex("0000000168ce3c80")
SEI = bytes.fromhex("000000010605ff")
DELIMITER = bytes.fromhex("0000000109f0")


def slice_unit(kind: int, payload: bytes, *, first: bool = True, start: bytes = b"\0\0\1") -> bytes:
    """One slice NAL unit; `first` is whether it opens a picture (first_mb_in_slice = 0)."""
    return start + bytes([0x60 | kind, 0x88 if first else 0x48]) + payload


def stream(
    frames: int,
    key_every: int = 15,
    *,
    repeat_headers: bool = True,
    slices: int = 1,
    frame_bytes: int = 40,
    seed: int = 0,
) -> bytes:
    """`frames` pictures, an IDR every `key_every`, each of `slices` slices.

    Payloads hold no zero byte, so no start code can arise in them (an encoder ensures that
    with emulation prevention bytes).
    """
    noise = random.Random(seed)  # noqa: S311
    out = bytearray()
    for number in range(frames):
        key = number % key_every == 0
        if key and (repeat_headers or number == 0):
            out += SPS + PPS + SEI + bytes([1, 2, 3])
        for part in range(slices):
            payload = bytes(noise.randrange(1, 256) for _ in range(frame_bytes))
            out += slice_unit(5 if key else 1, payload, first=part == 0)
    return bytes(out)
