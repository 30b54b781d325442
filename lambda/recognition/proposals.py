"""Where faces may be: a small network, taught by the original detector, that looks at half its
resolution. It only proposes; nothing is a face before the original says so.

Pictures are uint8 [height, width, 3], RGB.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import cv2
import numpy as np

from recognition.pyramid import (
    WINDOW_PX,
    Detection,
    Region,
    best_of_each,
    bordered,
    box_at,
    brightened,
)
from recognition.runtime import open_session
from recognition.side_by_side import share

_SHRINK = 2
_STEP_PX = 4
# Where the first cell looks, px of the small picture: found by the way it was taught.
_FIRST_CENTER_PX = -1
_BORDER_PX = 12
_LIGHT_BLOCK_PX = 4
# Of a full picture, all levels together: some milliseconds. For less, a helper that a busy machine
# lets wait costs more than it brings.
_WORTH_SHARING_PX = 250_000


class Proposer:
    """Stateless after loading: the same picture gives the same proposals."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def propose(
        self, rgb: np.ndarray, scales: list[float], regions: list[Region], least: float
    ) -> list[Detection]:
        """Places with a score (log-odds) of at least `least`, best first.

        `scales` as the original detector counts them: where a face of 80 px is as it should be.
        """
        if not scales:
            return []
        coarsest = min(scales) / _SHRINK
        parts = [(region, _Halves(rgb, region, coarsest)) for region in regions]
        levels = [(region, halves, scale) for region, halves in parts for scale in scales]
        levels.sort(key=lambda level: -math.prod(level[1].shape) * level[2] ** 2)

        def places(level: tuple[Region, _Halves, float]) -> list[Detection]:
            region, halves, scale = level
            return self._level(halves.at(scale / _SHRINK), region, halves.shape, least)

        pixels = sum(math.prod(halves.shape[:2]) * scale**2 for _, halves, scale in levels)
        found = share(places, levels) if pixels >= _WORTH_SHARING_PX else map(places, levels)
        return best_of_each(itertools.chain(*found))

    def _level(
        self, small: np.ndarray, region: Region, shape: tuple[int, ...], least: float
    ) -> list[Detection]:
        padded = bordered(brightened(small, _LIGHT_BLOCK_PX), _BORDER_PX)
        scores = self._session.run(None, {"pictures": padded[None]})[0][0, 0]
        # Only the peaks: every face lights up a few cells.
        peaks = (scores >= least) & (scores >= cv2.dilate(scores, np.ones((3, 3), np.uint8)))
        scale_y, scale_x = small.shape[0] / shape[0], small.shape[1] / shape[1]
        half = WINDOW_PX / 2 / _SHRINK
        found = []
        for row, column in np.argwhere(peaks):
            y = (_STEP_PX * row + _FIRST_CENTER_PX - _BORDER_PX) / scale_y
            x = (_STEP_PX * column + _FIRST_CENTER_PX - _BORDER_PX) / scale_x
            if 0 <= x < shape[1] and 0 <= y < shape[0]:
                box = box_at(x + region.left, y + region.top, half / scale_x, half / scale_y)
                found.append(Detection(float(scores[row, column]), box))
        return found


class _Halves:
    """A part of a picture at many scales: each is made of the nearest larger half, quarter,
    eighth."""

    def __init__(self, rgb: np.ndarray, region: Region, coarsest: float) -> None:
        self._pictures = [rgb[region.top : region.bottom, region.left : region.right]]
        for _ in range(self._steps_to(coarsest)):
            last = self._pictures[-1]
            size = (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))
            self._pictures.append(cv2.resize(last, size, interpolation=cv2.INTER_AREA))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._pictures[0].shape

    def _steps_to(self, scale: float) -> int:
        height, width = self.shape[:2]
        step = 0
        while 0.5 ** (step + 1) >= scale and min(height, width) >> (step + 1) > 8:
            step += 1
        return step

    def at(self, scale: float) -> np.ndarray:
        height, width = self.shape[:2]
        step = self._steps_to(scale)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return cv2.resize(self._pictures[step], size, interpolation=method)
