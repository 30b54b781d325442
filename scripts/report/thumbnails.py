"""Small pictures for the rows of a page: the first frame of what was played."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np

from contract.signatures import foreign_format
from recognition import Clip, ClipRejected, Settings

WIDTH_PX = 160
QUALITY = 60


def thumbnail(data: bytes) -> bytes:
    """Of a clip, or of a picture or video file, as JPEG; nothing when there is no picture in it."""
    try:
        rgb = _first_of_file(data) if foreign_format(data) else _first_of_clip(data)
    except (ClipRejected, StopIteration, av.FFmpegError):
        return b""
    height = round(rgb.shape[0] * WIDTH_PX / rgb.shape[1])
    small = cv2.resize(rgb, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
    return jpeg.tobytes() if done else b""


def _first_of_clip(data: bytes) -> np.ndarray:
    return next(iter(Clip(data, Settings()).frames(1))).to_rgb()


def _first_of_file(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), "r") as opened:
        return next(opened.decode(video=0)).to_ndarray(format="rgb24")
