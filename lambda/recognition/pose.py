"""Which way a face is turned, from its five landmarks.

Landmarks are float32 [5, 2] as (x, y) in px, in the order of `LandmarkPredictor.predict`.
"""

from __future__ import annotations

import numpy as np

# From about here on a face is seen from the side, in distances of the eyes.
HALF_TURNED = 0.12


def turn_of(landmarks: np.ndarray) -> float:
    """How far the nose is from the middle between the eyes, in distances of the eyes.

    0 is frontal; above 0 the face is turned to the right of the picture.
    """
    points = np.asarray(landmarks, float)
    one, other = sorted((points[:2].mean(0), points[2:4].mean(0)), key=lambda eye: eye[0])
    across = other - one
    apart = float(np.hypot(*across)) or 1.0
    return float(np.dot(points[4] - (one + other) / 2, across / apart)) / apart
