"""Finding faces: dlib's mmod network, on few pyramid levels first, on all only when needed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from contract.results import Box
from recognition.runtime import open_session
from recognition.settings import Settings

# The network sees faces of about 80 px through a window it moves in steps of 8 px.
_WINDOW_PX = 80
_STEP_PX = 8
_FIRST_CENTRE_PX = 14
# Measured: full response from 65 to 97 px.
_SMALLEST_SEEN_PX = 65
_LARGEST_USEFUL_PX = 72
# Neighbouring levels overlap a little: a slightly finer one would find nothing more.
_WORTH_A_LEVEL = 1.1
# One level more than the cheap pass at 640x480: people of 75 px beside a larger face.
_FINEST_FOR_COMPANIONS = 0.845
_THOROUGH_STEP = 0.8
_MEAN_RGB = (123, 117, 104)
_BORDER_PX = 24
_NMS_OVERLAP = 0.34
_BLOCK_PX = 8
# A part of a picture with a mean grey level below this is brightened to it.
_DARK = 80.0
_MOST_GAIN = 6.0


@dataclass(frozen=True)
class Detection:
    """A face in a picture: the network's score (above 0 is a face) and its box, px."""

    score: float
    box: Box


@dataclass(frozen=True)
class Region:
    """A part of a picture, px; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int


class Detector:
    """Stateless after loading: the same picture gives the same faces."""

    def __init__(self, model: Path, settings: Settings) -> None:
        self._session = open_session(model)
        self._settings = settings

    def find_large(self, rgb: np.ndarray) -> list[Detection]:
        """The cheap pass: faces that a picture of `cheap_side_px` still shows well."""
        return self._search(rgb, self._cheap_scales(rgb), [_whole(rgb)])

    def find_more(
        self, rgb: np.ndarray, regions: list[Region], known: list[Detection]
    ) -> list[Detection]:
        """The known faces and those on finer levels, in regions; not farther than needed.

        With nothing known, level by level down to `smallest_face_px` until there is a face.
        Beside known faces, only others down to `companion_size` of the largest (people in
        one scene), and not on levels that would cost more than all the rest of a clip.
        """
        coarsest, finest = self._cheap_scales(rgb)[0], self._finest_scale(rgb)
        if known:
            largest = max(face.box.bottom - face.box.top for face in known)
            companion_px = self._settings.companion_size * largest
            finest = min(finest, _FINEST_FOR_COMPANIONS, _SMALLEST_SEEN_PX / companion_px)
            levels = _levels(coarsest, finest, self._settings.full_step)
            return self._merge([*known, *self._search(rgb, levels, regions)])
        for level in _levels(coarsest, finest, self._settings.full_step):
            if found := self._search(rgb, [level], regions):
                return found
        return []

    def find_all(self, rgb: np.ndarray) -> list[Detection]:
        """Every face down to `smallest_face_px`, on closer levels, whatever it costs."""
        return self._search(
            rgb, _scales_down(rgb, self._finest_scale(rgb), _THOROUGH_STEP), [_whole(rgb)]
        )

    def find_near(self, rgb: np.ndarray, box: Box) -> Detection | None:
        """The face that was at `box` a moment ago, looked for at its size and place only."""
        height, width = rgb.shape[:2]
        size = max(box.bottom - box.top, box.right - box.left)
        reach = size
        region = Region(
            max(0, box.left - reach // 2),
            max(0, box.top - reach // 2),
            min(width, box.right + reach // 2),
            min(height, box.bottom + reach // 2),
        )
        if region.right - region.left < 8 or region.bottom - region.top < 8:
            return None
        found = self._search(rgb, [_WINDOW_PX / size], [region])
        return max(found, key=lambda face: face.score, default=None)

    def _cheap_scales(self, rgb: np.ndarray) -> list[float]:
        coarsest = min(1.0, self._settings.cheap_side_px / max(rgb.shape[:2]))
        return _scales_down(rgb, coarsest, self._settings.cheap_step)

    def _finest_scale(self, rgb: np.ndarray) -> float:
        affordable = math.sqrt(self._settings.max_level_px / (rgb.shape[0] * rgb.shape[1]))
        return min(_SMALLEST_SEEN_PX / self._settings.smallest_face_px, affordable)

    def _search(
        self, rgb: np.ndarray, scales: list[float], regions: list[Region]
    ) -> list[Detection]:
        found = []
        for region in regions:
            part = rgb[region.top : region.bottom, region.left : region.right]
            for scale in scales:
                found += self._level(part, scale, region, rgb.shape)
        return self._merge(found)

    def _level(
        self, part: np.ndarray, scale: float, region: Region, shape: tuple[int, ...]
    ) -> list[Detection]:
        rows, columns = (max(1, round(side * scale)) for side in part.shape[:2])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(part, (columns, rows), interpolation=method)
        padded = cv2.copyMakeBorder(
            _lit(resized), *[_BORDER_PX] * 4, borderType=cv2.BORDER_CONSTANT, value=_MEAN_RGB
        )
        scores = self._session.run(None, {"pictures": padded[None]})[0][0, 0]
        scale_y, scale_x = rows / part.shape[0], columns / part.shape[1]
        found = []
        for row, column in np.argwhere(scores > self._settings.detection_score):
            y = (_STEP_PX * row + _FIRST_CENTRE_PX - _BORDER_PX) / scale_y + region.top
            x = (_STEP_PX * column + _FIRST_CENTRE_PX - _BORDER_PX) / scale_x + region.left
            half_y, half_x = _WINDOW_PX / 2 / scale_y, _WINDOW_PX / 2 / scale_x
            box = Box(
                top=round(y - half_y),
                right=round(x + half_x),
                bottom=round(y + half_y),
                left=round(x - half_x),
            )
            if 0 <= x < shape[1] and 0 <= y < shape[0]:
                found.append(Detection(float(scores[row, column]), box))
        return found

    @staticmethod
    def _merge(found: list[Detection]) -> list[Detection]:
        """The best of every heap of overlapping detections, best first."""
        kept: list[Detection] = []
        for face in sorted(found, key=lambda face: (-face.score, face.box.top, face.box.left)):
            if all(not _same_face(face.box, other.box) for other in kept):
                kept.append(face)
        return kept

    def regions_with_detail(self, rgb: np.ndarray, known: Iterable[Detection] = ()) -> list[Region]:
        """Where grey levels change from block to block, with room for a face around, and no
        known face is.

        The mean of 64 pixels has an eighth of the camera's noise, so that noise does not
        count as detail.
        """
        height, width = rgb.shape[:2]
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        blocks = cv2.resize(
            grey,
            (max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX)),
            None,
            0,
            0,
            cv2.INTER_AREA,
        ).astype(np.float32)
        mean = cv2.blur(blocks, (5, 5))
        spread = np.sqrt(np.maximum(cv2.blur(blocks * blocks, (5, 5)) - mean * mean, 0))
        busy = (spread > self._settings.detail_contrast).astype(np.uint8)
        for face in known:
            box = face.box
            busy[
                max(0, box.top // _BLOCK_PX) : max(0, box.bottom // _BLOCK_PX + 1),
                max(0, box.left // _BLOCK_PX) : max(0, box.right // _BLOCK_PX + 1),
            ] = 0
        busy = cv2.dilate(busy, np.ones((5, 5), np.uint8))
        count, _, boxes, _ = cv2.connectedComponentsWithStats(busy, connectivity=8)
        regions = [
            Region(
                left=int(left * width / blocks.shape[1]),
                top=int(top * height / blocks.shape[0]),
                right=int(np.ceil((left + columns) * width / blocks.shape[1])),
                bottom=int(np.ceil((top + rows) * height / blocks.shape[0])),
            )
            for left, top, columns, rows, _ in boxes[1:count]
        ]
        area = sum((r.right - r.left) * (r.bottom - r.top) for r in regions)
        # Beyond that, the overhead and overlap of parts costs more than the whole.
        return regions if area < 0.8 * width * height else [_whole(rgb)]


def _scales_down(rgb: np.ndarray, scale: float, step: float) -> list[float]:
    """From `scale` on, until a face that fills the picture fits the window."""
    scales = [scale]
    while scale * step * min(rgb.shape[:2]) >= _LARGEST_USEFUL_PX:
        scale *= step
        scales.append(scale)
    return scales


def _levels(coarsest: float, finest: float, least_step: float) -> list[float]:
    """Scales after `coarsest` up to `finest`, evenly spread, no farther apart than allowed."""
    if finest < coarsest * _WORTH_A_LEVEL:
        return []
    count = math.ceil(math.log(finest / coarsest) / -math.log(least_step) - 1e-9)
    return [coarsest * (finest / coarsest) ** (step / count) for step in range(1, count + 1)]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    common, area_a, area_b = _areas(a, b)
    return common / max(1, area_a + area_b - common)


def _same_face(a: Box, b: Box) -> bool:
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


def _whole(rgb: np.ndarray) -> Region:
    return Region(0, 0, rgb.shape[1], rgb.shape[0])


def _lit(rgb: np.ndarray) -> np.ndarray:
    """The picture with its dark parts brightened: the network learned from well lit faces.

    The gain follows the mean over about a face's size, so that a face in the dark is lifted
    while a lit one before a dark wall is not washed out.
    """
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    blocks = (max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX))
    local = cv2.blur(cv2.resize(grey, blocks, interpolation=cv2.INTER_AREA), (9, 9))
    if local.min() >= _DARK:
        return rgb
    gain = np.clip(_DARK / np.maximum(local, 1), 1.0, _MOST_GAIN).astype(np.float32)
    gain = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(rgb, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)
