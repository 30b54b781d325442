"""What a camera does to a face, done to an aligned face: light, blur, noise, size, pose."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np


def augmented(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A variation of an aligned face, uint8 RGB [side, side, 3] in and out."""
    varied = _jittered(face, random)
    if random.random() < 0.5:
        varied = varied[:, ::-1]
    if random.random() < 0.5:
        varied = _coarser(varied, random)
    if random.random() < 0.4:
        varied = _moved(varied, random)
    light = _relit(varied.astype(np.float32), random)
    light += random.normal(0.0, random.uniform(0.0, 10.0), light.shape)
    noisy = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        noisy = through_jpeg(noisy[..., ::-1], int(random.integers(25, 85)))[..., ::-1]
    return np.ascontiguousarray(noisy)


def _jittered(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Landmarks are found some pixels off, faces are turned and tilted a little."""
    side = face.shape[0]
    center = (side / 2, side / 2)
    matrix = cv2.getRotationMatrix2D(center, random.uniform(-6, 6), random.uniform(0.93, 1.08))
    matrix[0, 0] *= random.uniform(0.93, 1.05)  # a head turned aside is narrower
    matrix[:, 2] += random.uniform(-0.025, 0.025, 2) * side
    return cv2.warpAffine(face, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)


def _coarser(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A face far from the camera has few pixels."""
    side = face.shape[0]
    small = max(24, round(side * random.uniform(0.25, 0.8)))
    reduced = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(reduced, (side, side), interpolation=cv2.INTER_LINEAR)


def _moved(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Motion blur along any direction, or a lens out of focus."""
    if random.random() < 0.5:
        return cv2.GaussianBlur(face, (0, 0), random.uniform(0.5, 2.0))
    length = int(random.integers(3, 10))
    kernel: np.ndarray = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5,) * 2, random.uniform(0, 180), 1.0)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(face, -1, kernel / max(kernel.sum(), 1e-6))


def _relit(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, color of the light, and light from one side."""
    side = face.shape[0]
    gamma = np.exp(random.uniform(-0.5, 0.7))
    light = 255.0 * (face / 255.0) ** gamma
    light = (light - 128.0) * random.uniform(0.6, 1.25) + 128.0 + random.uniform(-25, 25)
    light *= random.uniform(0.92, 1.08, 3)
    angle, depth = random.uniform(0, 2 * np.pi), random.uniform(0.0, 0.35)
    across, down = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    slope = 1.0 + depth * (np.cos(angle) * across + np.sin(angle) * down)
    return (light * slope[..., None]).astype(np.float32)


def through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """uint8 BGR with blocks and ringing, as of a video at few bits."""
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    # None is for what is no picture.
    return cast(np.ndarray, cv2.imdecode(coded, cv2.IMREAD_COLOR))
