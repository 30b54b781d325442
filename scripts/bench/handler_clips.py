"""The clips of the bench: some of the fixture, as recorded and at the report's 160x160."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from contract.annexb import access_units, nal_units


@dataclass(frozen=True)
class BenchClip:
    """`person_id` is None where nobody is to be seen."""

    name: str
    person_id: str | None
    size: str
    data: bytes


def read_clips(fixtures: Path, per_kind: int) -> list[BenchClip]:
    """Clips with one clear face of different people, and clips with nobody, in both sizes."""
    truth = json.loads((fixtures / "truth.json").read_text())["clips"]
    recorded = _cut((fixtures / "lab.h264").read_bytes())
    chosen: list[tuple[str, str | None, bytes]] = []
    for person_id in sorted({name for clip in truth for name in clip["visible"]}):
        indexes = [
            index
            for index, clip in enumerate(truth)
            if clip["visible"] == [person_id] and not clip["tags"] and not clip["strangers"]
        ]
        chosen += [(f"clip {index}", person_id, recorded[index]) for index in indexes[:per_kind]]
    empty = [i for i, clip in enumerate(truth) if not clip["visible"] and not clip["strangers"]]
    chosen += [(f"clip {index}", None, recorded[index]) for index in empty[:per_kind]]
    clips = []
    for name, person_id, data in chosen:
        clips.append(BenchClip(name, person_id, "640x480", data))
        clips.append(BenchClip(name, person_id, "160x160", _shrink(data)))
    return clips


def plain_wall() -> BenchClip:
    """A wall with camera noise: what the cheap pass rejects at once."""
    noise = np.random.default_rng(0)
    wall = np.linspace(110, 150, 640)[None, :, None] + np.zeros((480, 1, 3))
    frames = [np.clip(wall + noise.normal(0, 4, wall.shape), 0, 255) for _ in range(15)]
    return BenchClip("plain wall", None, "640x480", _encode([f.astype(np.uint8) for f in frames]))


def _cut(stream: bytes) -> list[bytes]:
    clips: list[list[bytes]] = []
    for picture in access_units(nal_units(stream)):
        if picture.is_key:
            clips.append([])
        clips[-1].append(picture.to_bytes())
    return [b"".join(pictures) for pictures in clips]


def _shrink(clip: bytes) -> bytes:
    """The middle square of the picture at 160x160: the report's camera setting."""
    decoder = av.CodecContext.create("h264", "r")
    pictures = list(access_units(nal_units(clip)))
    frames = [f for p in pictures for f in decoder.decode(av.Packet(p.to_bytes()))]
    frames += decoder.decode(None)
    squares = []
    for frame in frames:
        rgb: np.ndarray = frame.to_ndarray(format="rgb24")
        height, width = rgb.shape[:2]
        left = (width - height) // 2
        square = np.ascontiguousarray(rgb[:, left : left + height])
        squares.append(cv2.resize(square, (160, 160), interpolation=cv2.INTER_AREA))
    return _encode(squares)


def _encode(frames: list[np.ndarray]) -> bytes:
    codec = av.CodecContext.create("libx264", "w")
    codec.height, codec.width = frames[0].shape[:2]
    codec.pix_fmt, codec.time_base, codec.bit_rate = "yuv420p", Fraction(1, 30), 4_000_000
    codec.options = {
        "preset": "veryfast",
        "profile": "baseline",
        "x264-params": "keyint=15:min-keyint=15:scenecut=0:repeat-headers=1",
    }
    stream = b""
    for index, rgb in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts = index
        stream += b"".join(bytes(packet) for packet in codec.encode(frame))
    return stream + b"".join(bytes(packet) for packet in codec.encode(None))
