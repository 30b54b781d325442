"""What both detectors share: boxes, the levels of a picture's pyramid, light.

Pictures are uint8 [height, width, 3], RGB; boxes and regions are in their px.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from contract.results import Box

# The window, px, through which a level is looked at: what fills it is as large as a face.
WINDOW_PX = 80
_MEAN_RGB = (123, 117, 104)
_LARGEST_USEFUL_PX = 72
# Neighboring levels overlap a little: a slightly finer one would find nothing more.
_WORTH_A_LEVEL = 1.1
_NMS_OVERLAP = 0.34
# A part of a picture with a mean gray level below this is brightened to it.
_DARK = 80.0
_MOST_GAIN = 6.0
_LIGHT_BLOCKS = 9


@dataclass(frozen=True)
class Detection:
    """A face in a picture: a network's score and its box, px. Above 0 is a face."""

    score: float
    box: Box


@dataclass(frozen=True)
class Region:
    """A part of a picture, px; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int


def whole(rgb: np.ndarray) -> Region:
    """All of the picture."""
    return Region(0, 0, rgb.shape[1], rgb.shape[0])


def around(box: Box, share: float, rgb: np.ndarray) -> Region:
    """The part of the picture within `share` of the box's size around it."""
    reach = round(share * max(box.bottom - box.top, box.right - box.left))
    return Region(
        max(0, box.left - reach),
        max(0, box.top - reach),
        min(rgb.shape[1], box.right + reach),
        min(rgb.shape[0], box.bottom + reach),
    )


def box_at(x: float, y: float, half_x: float, half_y: float) -> Box:
    """The box around a middle `x`, `y`, px, that reaches `half_x` and `half_y` px to each side."""
    return Box(
        top=round(y - half_y), right=round(x + half_x), bottom=round(y + half_y),
        left=round(x - half_x),
    )  # fmt: skip


def scales_down(rgb: np.ndarray, scale: float, step: float) -> list[float]:
    """From `scale` on, each `step` (below 1) times the one before, until a face that fills the
    picture fits the window."""
    scales = [scale]
    while scale * step * min(rgb.shape[:2]) >= _LARGEST_USEFUL_PX:
        scale *= step
        scales.append(scale)
    return scales


def levels_between(coarsest: float, finest: float, least_step: float) -> list[float]:
    """Scales after `coarsest` up to `finest`, evenly spread, each at least `least_step` (below 1)
    times the next."""
    if finest < coarsest * _WORTH_A_LEVEL:
        return []
    count = math.ceil(math.log(finest / coarsest) / -math.log(least_step) - 1e-9)
    return [coarsest * (finest / coarsest) ** (step / count) for step in range(1, count + 1)]


def best_of_each(found: Iterable[Detection]) -> list[Detection]:
    """The best of every heap of overlapping detections, best first."""
    kept: list[Detection] = []
    for face in sorted(found, key=lambda face: (-face.score, face.box.top, face.box.left)):
        if all(not is_same_face(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    common, area_a, area_b = _areas(a, b)
    return common / max(1, area_a + area_b - common)


def is_same_face(a: Box, b: Box) -> bool:
    """Whether two boxes are so much in one place that one face is in both."""
    common, area_a, area_b = _areas(a, b)
    # A face inside another one is the same face seen on two levels.
    return common > _NMS_OVERLAP * (area_a + area_b - common) or common > 0.7 * min(area_a, area_b)


def _areas(a: Box, b: Box) -> tuple[int, int, int]:
    width = max(0, min(a.right, b.right) - max(a.left, b.left))
    height = max(0, min(a.bottom, b.bottom) - max(a.top, b.top))
    return (
        width * height,
        (a.right - a.left) * (a.bottom - a.top),
        (b.right - b.left) * (b.bottom - b.top),
    )


def bordered(rgb: np.ndarray, px: int) -> np.ndarray:
    """The picture with `px` of the networks' mean color on each side."""
    return cv2.copyMakeBorder(rgb, px, px, px, px, cv2.BORDER_CONSTANT, value=_MEAN_RGB)


def brightened(rgb: np.ndarray, block_px: int = 8) -> np.ndarray:
    """The picture with its dark parts brightened: the networks learned from well lit faces.

    The gain follows the mean over about a face's size (nine blocks), so that a face in the
    dark is lifted while a lit one before a dark wall is not washed out.
    """
    height, width = rgb.shape[:2]
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    blocks = (max(1, width // block_px), max(1, height // block_px))
    small = cv2.resize(gray, blocks, interpolation=cv2.INTER_AREA)
    local = cv2.blur(small, (_LIGHT_BLOCKS, _LIGHT_BLOCKS))
    if local.min() >= _DARK:
        return rgb
    gain = np.clip(_DARK / np.maximum(local, 1), 1.0, _MOST_GAIN).astype(np.float32)
    full = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(rgb, cv2.merge([full, full, full]), dtype=cv2.CV_8U)
