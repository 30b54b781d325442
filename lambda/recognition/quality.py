"""How much a face can be trusted: size, sharpness, contrast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from contract.results import Box
from recognition.settings import Settings

# What a face is looked at in, to compare pictures of it: all that the embedder sees, and cheap.
_GLANCE_PX = 75


@dataclass(frozen=True)
class Quality:
    """`weight` in (0, 1] is the face's say in a vote; `shortcoming` is None when it is good
    enough to be named, else what it lacks. `blur` is the variance of the Laplacian (higher is
    sharper), `contrast` the standard deviation of the gray levels, of 255."""

    size_px: int
    blur: float
    contrast: float
    weight: float
    shortcoming: str | None


def assess(chip: np.ndarray, size_px: int, settings: Settings) -> Quality:
    """Quality of an aligned face, uint8 [150, 150, 3], that was `size_px` high in its frame."""
    inner = chip[30:120, 30:120]
    gray = cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY)
    contrast = float(gray.std())
    # On the same scale for dark and bright faces: a dark face is not a blurred one.
    normal = gray.astype(np.float32) * (40.0 / max(contrast, 1.0))
    # Noise is not sharpness: smooth away what single pixels do.
    blur = float(cv2.Laplacian(cv2.GaussianBlur(normal, (5, 5), 0), cv2.CV_32F).var())
    area = min(1.0, (size_px / settings.full_weight_face_px) ** 2)
    sharpness = min(1.0, math.sqrt(blur / settings.full_weight_blur))
    return Quality(
        size_px=size_px,
        blur=blur,
        contrast=contrast,
        weight=max(0.01, area * sharpness),
        shortcoming=_shortcoming(size_px, blur, contrast, settings),
    )


def sharpness_at(gray: np.ndarray, faces: Sequence[Box]) -> float:
    """How sharp a picture, uint8 [height, width], is at these places: to be compared with other
    pictures of the same faces only, of which the brighter one may win."""
    told = 0.0
    for box in faces:
        part = gray[max(0, box.top) : box.bottom, max(0, box.left) : box.right]
        if part.size:
            part = cv2.resize(part, (_GLANCE_PX, _GLANCE_PX), interpolation=cv2.INTER_AREA)
            told += float(cv2.Laplacian(cv2.GaussianBlur(part, (3, 3), 0), cv2.CV_32F).var())
    return told


def _shortcoming(size_px: int, blur: float, contrast: float, settings: Settings) -> str | None:
    if size_px < settings.min_face_px:
        return f"too small: {size_px} px, at least {settings.min_face_px}"
    if contrast < settings.min_contrast:
        return f"too dark or pale: contrast {contrast:.1f}, at least {settings.min_contrast}"
    if blur < settings.min_blur:
        return f"blurred: sharpness {blur:.0f}, at least {settings.min_blur:.0f}"
    return None
