"""Pictures without anybody, and one face at every size: what a detector must not see, and must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pictures import read_rgb

HEIGHT, WIDTH = 480, 640
# What a light face is multiplied with, channel by channel, and the light it stands in.
TONES = {
    "as it is": (1.0, 1.0, 1.0),
    "dark skin": (0.42, 0.32, 0.26),
    "half the light": (0.5, 0.5, 0.5),
    "bright": (1.35, 1.35, 1.35),
}
SIZES_PX = range(60, 401, 20)


def empty_pictures(count: int, photographs: Path | None, seed: int = 5) -> Iterator[np.ndarray]:
    """`count` pictures, uint8 [480, 640, 3] RGB, that show nobody: noise, gratings, bricks,
    foliage, text and gradients in turn, and parts of the pictures in `photographs`, which
    must not show anybody either."""
    random = np.random.default_rng(seed)
    kinds = [*_KINDS]
    if photographs:
        paths = sorted(p for p in photographs.rglob("*") if p.suffix in (".png", ".jpg"))
        kinds += [partial(_part, read_rgb(path)) for path in paths]
    for number in range(count):
        picture = kinds[number % len(kinds)](random)
        noisy = picture + random.normal(0, 2.5, picture.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def _colored(shade: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Shades in 0..1 between two colors."""
    low, high = random.uniform(0, 130, 3), random.uniform(110, 255, 3)
    return low + shade[..., None] * (high - low)


def _noise(random: np.random.Generator) -> np.ndarray:
    grain = int(random.choice((1, 2, 4, 8, 16)))
    small = random.random((HEIGHT // grain, WIDTH // grain)).astype(np.float32)
    return _colored(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), random)


def _grating(random: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    shade = np.ones((HEIGHT, WIDTH))
    for _ in range(int(random.integers(1, 3))):
        angle, period = random.uniform(0, np.pi), random.uniform(6, 90)
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
        shade = shade * (0.5 + 0.5 * wave)
    return _colored(shade > 0.5 if random.random() < 0.5 else shade, random)


def _bricks(random: np.random.Generator) -> np.ndarray:
    high, wide, joint = (int(v) for v in random.integers((14, 40, 2), (50, 110, 7)))
    shade = np.full((HEIGHT, WIDTH), 0.1)
    for row, top in enumerate(range(0, HEIGHT, high)):
        for left in range(-wide // 2 * (row % 2), WIDTH, wide):
            brick = random.uniform(0.45, 1.0)
            shade[top : top + high - joint, max(0, left) : max(0, left + wide - joint)] = brick
    return _colored(shade, random)


def _foliage(random: np.random.Generator) -> np.ndarray:
    """Leaves upon leaves, small ones before large ones: alike at every scale."""
    picture = np.full((HEIGHT, WIDTH, 3), random.uniform(10, 60, 3))
    for size in np.geomspace(70, 6, 500):
        center = tuple(int(v) for v in random.uniform((0, 0), (WIDTH, HEIGHT)))
        axes = (int(size), max(2, int(size * random.uniform(0.25, 0.6))))
        green = random.uniform((20, 50, 10), (140, 200, 90))
        cv2.ellipse(picture, center, axes, float(random.uniform(0, 360)), 0, 360, tuple(green), -1)
    return picture


def _text(random: np.random.Generator) -> np.ndarray:
    paper, ink = random.uniform(170, 255, 3), random.uniform(0, 90, 3)
    picture = np.full((HEIGHT, WIDTH, 3), paper).astype(np.uint8)
    scale = float(random.uniform(0.4, 3.0))
    for y in range(20, HEIGHT + 40, int(34 * scale) + 8):
        line = "".join(chr(code) for code in random.integers(33, 127, 60))
        cv2.putText(
            picture, line, (-10, y), cv2.FONT_HERSHEY_COMPLEX, scale, tuple(ink), int(scale) + 1
        )
    return picture.astype(float)


def _gradient(random: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle = random.uniform((0, 0), (WIDTH, HEIGHT))
    away = np.hypot(x - middle[0], y - middle[1]) / WIDTH
    shade = np.clip(away * random.uniform(0.5, 3), 0, 1)
    return _colored(shade if random.random() < 0.5 else np.sin(6 * shade) ** 2, random)


_KINDS: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (
    _noise,
    _grating,
    _bricks,
    _foliage,
    _text,
    _gradient,
)


def _part(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A part of a picture at any scale, cut in the frame's proportions."""
    share = random.uniform(0.4, 1.0)
    high = int(min(rgb.shape[0], rgb.shape[1] * HEIGHT / WIDTH) * share)
    wide = int(high * WIDTH / HEIGHT)
    top = int(random.integers(rgb.shape[0] - high + 1))
    left = int(random.integers(rgb.shape[1] - wide + 1))
    part = np.ascontiguousarray(rgb[top : top + high, left : left + wide])
    return cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(float)


def toned(rgb: np.ndarray, tone: str) -> np.ndarray:
    return np.clip(rgb * np.array(TONES[tone]), 0, 255).astype(np.uint8)
