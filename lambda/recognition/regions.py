"""Which parts of a picture are worth a search: where there is detail, where something changed.

Pictures are uint8 [height, width, 3], RGB; regions are in their px.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from contract.results import Box
from recognition.pyramid import Region, whole

_BLOCK_PX = 8
# Room for a face around what stands out, and what is left of a border is nobody, in blocks.
_AROUND, _LEAST = 5, 3
# Half a second later a face correlates with itself by 0.86 or more (19 of 20 of the fixture's),
# with somebody else's of like background by less than this (9 of 10 pairs of portraits).
_SAME_LOOK = 0.65
# How high a face is made for that, px; how far it may have moved, and what of its border does not
# count, in face heights.
_SMALL_PX, _MAY_MOVE, _INNER = 24, 0.4, 0.1


def regions_with_detail(rgb: np.ndarray, least_contrast: float) -> list[Region]:
    """Where gray levels differ from block to block by `least_contrast`."""
    blocks = _blocks(rgb)
    mean = cv2.blur(blocks, (5, 5))
    spread = np.sqrt(np.maximum(cv2.blur(blocks * blocks, (5, 5)) - mean * mean, 0))
    return _regions(spread > least_contrast, rgb)


def regions_that_changed(
    rgb: np.ndarray, before: np.ndarray, known: Sequence[Box], least_change: float
) -> list[Region]:
    """Where gray levels of `rgb` differ by `least_change` from those of an earlier picture
    (`before`), more than the whole picture has got lighter or darker, beside the people whose
    faces are `known`: they breathe and turn all the time."""
    change = _blocks(rgb) - _blocks(before)
    changed = np.abs(change - np.median(change)) > least_change
    for face in known:
        _clear(changed, _person(face, rgb))
    # An edge that trembles is one block wide.
    kernel = np.ones((_LEAST, _LEAST), np.uint8)
    return _regions(cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0, rgb)


def has_another(rgb: np.ndarray, before: np.ndarray, face: Box) -> bool:
    """Whether what is in `rgb` at and around the place of a face correlates so little with what was
    there in the picture `before` that somebody else may be there: after a cut, or where a face
    has turned away."""
    shown, wanted = _small(rgb, face, _MAY_MOVE), _small(before, face, -_INNER)
    if min(wanted.shape) < 8 or any(s < w for s, w in zip(shown.shape, wanted.shape, strict=True)):
        return False
    return float(cv2.matchTemplate(shown, wanted, cv2.TM_CCOEFF_NORMED).max()) < _SAME_LOOK


def _small(rgb: np.ndarray, face: Box, room: float) -> np.ndarray:
    """The picture's gray levels within `room` face heights around a face, as if it were small."""
    height = max(1, face.bottom - face.top)
    reach = round(room * height)
    top, left = max(0, face.top - reach), max(0, face.left - reach)
    part = rgb[top : max(0, face.bottom + reach), left : max(0, face.right + reach)]
    if not part.size:
        return np.zeros((0, 0), np.float32)
    size = [max(1, round(side * _SMALL_PX / height)) for side in part.shape[1::-1]]
    gray = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _person(face: Box, rgb: np.ndarray) -> Box:
    """Hair and shoulders of the person with that face, and what is below in the picture."""
    half = (face.bottom - face.top) // 2
    return Box(face.top - half, face.right + half, rgb.shape[0], face.left - half)


def _clear(blocks: np.ndarray, box: Box) -> None:
    top, left = max(0, box.top // _BLOCK_PX), max(0, box.left // _BLOCK_PX)
    blocks[top : box.bottom // _BLOCK_PX + 1, left : box.right // _BLOCK_PX + 1] = False


def _blocks(rgb: np.ndarray) -> np.ndarray:
    """Mean gray levels of blocks, float32 [rows, columns]. The mean of 64 pixels has an eighth
    of the camera's noise, so that noise does not count."""
    height, width = rgb.shape[:2]
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    size = (max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _regions(blocks: np.ndarray, rgb: np.ndarray) -> list[Region]:
    """The parts of the picture around what is set in `blocks`, bool [rows, columns]."""
    height, width = rgb.shape[:2]
    busy = cv2.dilate(blocks.astype(np.uint8), np.ones((_AROUND, _AROUND), np.uint8))
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
    return regions if area < 0.8 * width * height else [whole(rgb)]
