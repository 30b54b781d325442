"""The aligned face: turned, scaled and cut as dlib's `get_face_chip` does it.

Enrollment, training and inference all come through here, so that they see the same faces. Landmarks
are float32 [5, 2] as (x, y) in px.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from contract.results import Box

CHIP_PX = 150
PADDING = 0.25
_BOX_PER_SQUARE = 1.25
_BOX_RAISED = 0.08
# Where dlib puts the five landmarks in a chip without padding, in units of its side.
_REFERENCE = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)


def face_chip(rgb: np.ndarray, landmarks: np.ndarray, side_px: int = CHIP_PX) -> np.ndarray:
    """The face with these `landmarks` ([5, 2], x and y, px) of a picture `rgb` (uint8
    [height, width, 3]) as uint8 [side_px, side_px, 3], RGB."""
    goal = (_REFERENCE + PADDING) / (2 * PADDING + 1) * side_px
    linear, offset = _similarity(goal, np.asarray(landmarks, np.float64))
    scale = math.hypot(linear[0, 0], linear[1, 0])
    center = linear @ np.full(2, side_px / 2) + offset
    # dlib's rectangles include their last pixel: the grid is one step shorter than the side.
    linear = linear * ((side_px * scale - 1) / (side_px - 1) / scale)
    offset = center - linear @ np.full(2, (side_px - 1) / 2)
    picture = rgb
    while scale > 2:
        picture = cv2.pyrDown(picture)
        linear, offset, scale = linear / 2, offset / 2, scale / 2
    return cv2.warpAffine(
        picture,
        np.hstack([linear, offset[:, None]]),
        (side_px, side_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )


def face_box(landmarks: np.ndarray) -> Box:
    """The face's box, px: a square that follows from the landmarks.

    A detector's box jumps with its pyramid's levels. This one is as large as dlib's HOG
    detector would draw it: 1.25 times the chip's inner square, a little above its center
    (mean over the development photos).
    """
    linear, offset = _similarity(_REFERENCE, np.asarray(landmarks, np.float64))
    x, y = linear @ np.full(2, 0.5) + offset
    side = max(1.0, math.hypot(linear[0, 0], linear[1, 0]))
    half, y = _BOX_PER_SQUARE * side / 2, y - _BOX_RAISED * side
    return Box(
        top=round(y - half), right=round(x + half), bottom=round(y + half), left=round(x - half)
    )


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares rotation and scale [2, 2], and offset [2], that take source to target."""
    a, b = source - source.mean(0), target - target.mean(0)
    power = (a**2).sum()
    cosine = (a * b).sum() / power
    sine = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / power
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return linear, target.mean(0) - linear @ source.mean(0)
