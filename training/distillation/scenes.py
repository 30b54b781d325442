"""Pictures to teach the proposal network with: faces put before all kinds of backgrounds.

No labels are needed: the original detector says what it sees in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition import Recognizer
from training.augment import through_jpeg
from training.dataset import read_picture, read_tree

SCENE_PX = 256
_HEAD = 1.9  # of the face's box, cut out with the hair
_HEAD_PX = 240
_FACE_PX, _SEEN_PX = (40.0, 150.0), (62.0, 112.0)
# Skin and light: what a gray face is multiplied with, from dark to light.
_TONES = np.array([(0.24, 0.16, 0.12), (0.55, 0.38, 0.28), (0.85, 0.66, 0.54), (1.0, 0.86, 0.78)])


@dataclass(frozen=True)
class Material:
    """`heads` uint8 [240, 240, 3] RGB, the face's box in the middle; `backgrounds` RGB."""

    heads: list[np.ndarray]
    backgrounds: list[np.ndarray]


def gather(recognizer: Recognizer, faces: Path, backgrounds: Path) -> Material:
    """Heads of the pictures in `faces` (a folder a person), and every picture in `backgrounds`."""
    heads = []
    for pictures in read_tree(faces).values():
        for picture in pictures:
            heads += _head(recognizer, read_picture(picture.path))
    paths = sorted(p for p in backgrounds.rglob("*") if p.suffix in (".png", ".jpg"))
    return Material(heads, [_at_most(read_picture(path), 700) for path in paths])


def _head(recognizer: Recognizer, rgb: np.ndarray) -> list[np.ndarray]:
    scale = 200 / rgb.shape[0]
    rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    rgb = cv2.copyMakeBorder(rgb, 50, 50, 50, 50, cv2.BORDER_REPLICATE)
    faces = recognizer.observe(rgb)
    if not faces:
        return []
    box = faces[0].box
    half = round((box.bottom - box.top) * _HEAD / 2)
    y, x = (box.top + box.bottom) // 2 + half, (box.left + box.right) // 2 + half
    padded = cv2.copyMakeBorder(rgb, half, half, half, half, cv2.BORDER_REPLICATE)
    cut = padded[max(0, y - half) : y + half, max(0, x - half) : x + half]
    return [cv2.resize(cut, (_HEAD_PX, _HEAD_PX), interpolation=cv2.INTER_CUBIC)]


def _at_most(rgb: np.ndarray, side: int) -> np.ndarray:
    scale = min(1.0, side / max(rgb.shape[:2]))
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def scene(material: Material, random: np.random.Generator) -> np.ndarray:
    """uint8 [256, 256, 3] RGB with none to three faces, as some camera might see them."""
    picture = _background(material.backgrounds, random)
    for _ in range(random.choice(4, p=(0.15, 0.3, 0.35, 0.2))):
        head = material.heads[random.integers(len(material.heads))]
        picture = _with_head(picture, _worn(_toned(head, random), random), random)
    return _filmed(picture, random)


def _background(backgrounds: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    kind = random.random()
    if kind < 0.15:
        colors = random.uniform(0, 255, (2, 3))
        slope = np.linspace(0, 1, SCENE_PX)[:, None, None]
        plain = colors[0] * slope + colors[1] * (1 - slope)
        return np.broadcast_to(plain, (SCENE_PX, SCENE_PX, 3)).astype(np.float32)
    source = backgrounds[random.integers(len(backgrounds))]
    side = int(min(source.shape[0], source.shape[1], random.uniform(60, 700)))
    top = random.integers(source.shape[0] - side + 1)
    left = random.integers(source.shape[1] - side + 1)
    part = source[top : top + side, left : left + side]
    if random.random() < 0.5:
        part = part[:, ::-1]
    part = np.rot90(part, int(random.integers(4)) if random.random() < 0.3 else 0)
    method = cv2.INTER_AREA if side > SCENE_PX else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(part), (SCENE_PX, SCENE_PX), interpolation=method)
    if kind > 0.9:
        _furnish(resized, random)
    return resized.astype(np.float32)


def _furnish(picture: np.ndarray, random: np.random.Generator) -> None:
    """Shelves, frames, lamps: edges and discs where no face is."""
    for _ in range(random.integers(3, 12)):
        color = random.uniform(0, 255, 3).tolist()
        a, b = (tuple(int(v) for v in random.integers(0, SCENE_PX, 2)) for _ in range(2))
        if random.random() < 0.5:
            cv2.rectangle(picture, a, b, color, int(random.choice([-1, 2, 5])))
        else:
            cv2.circle(picture, a, int(random.integers(4, 50)), color, int(random.choice([-1, 3])))


def _toned(head: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if np.ptp(head.reshape(-1, 3).mean(0)) > 3 and random.random() < 0.5:
        return head
    gray = (head.mean(2, keepdims=True) / 255.0) ** np.exp(random.uniform(-0.6, 0.6))
    place = random.uniform(0, len(_TONES) - 1)
    low = min(int(place), len(_TONES) - 2)
    tone = _TONES[low] + (place - low) * (_TONES[low + 1] - _TONES[low])
    tone = tone * random.uniform(0.85, 1.15, 3)
    return np.clip(255 * gray * tone, 0, 255).astype(np.uint8)


def _worn(head: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A mask, sunglasses, a cap, a hand or hair over one side; mostly nothing."""
    kind = random.random()
    if kind > 0.45:
        return head
    head, side = head.copy(), len(head)
    color = (
        random.uniform(0, 255, 3) if random.random() < 0.6 else head[10:40, 100:140].mean((0, 1))
    )
    if kind < 0.12:
        head[int(side * random.uniform(0.54, 0.66)) :] = color
    elif kind < 0.22:
        head[: int(side * random.uniform(0.22, 0.36))] = color
    elif kind < 0.34:
        edge = int(side * random.uniform(0.25, 0.5))
        if random.random() < 0.5:
            head[:, :edge] = color
        else:
            head[:, side - edge :] = color
    else:
        for x in (0.41, 0.59):
            center, size = (int(side * x), int(side * 0.44)), (int(side * 0.09), int(side * 0.065))
            cv2.ellipse(head, center, size, 0, 0, 360, (20, 20, 24), -1)
    return head


def _with_head(picture: np.ndarray, head: np.ndarray, random: np.random.Generator) -> np.ndarray:
    limits = _SEEN_PX if random.random() < 0.65 else _FACE_PX
    face_px = np.exp(random.uniform(*np.log(limits)))
    scale = face_px * _HEAD / _HEAD_PX
    if random.random() < 0.5:
        head = head[:, ::-1]
    if scale < 0.6:
        head = cv2.GaussianBlur(np.ascontiguousarray(head), (0, 0), 0.35 / scale)
    angle = random.normal(0, 16) if random.random() < 0.85 else random.uniform(-60, 60)
    turn = cv2.getRotationMatrix2D((_HEAD_PX / 2, _HEAD_PX / 2), angle, scale)
    # A head that turns away gets narrower.
    turn[0] *= random.uniform(0.75, 1.05)
    turn[:, 2] = random.uniform(12, SCENE_PX - 12, 2) - turn[:, :2] @ np.full(2, _HEAD_PX / 2)
    mask: np.ndarray = np.zeros((_HEAD_PX, _HEAD_PX), np.float32)
    size = (int(_HEAD_PX * random.uniform(0.32, 0.45)), int(_HEAD_PX * random.uniform(0.42, 0.5)))
    if random.random() < 0.3:
        # A poster, a screen, a portrait's own background: no outline must give a face away.
        mask[:] = 1
    else:
        cv2.ellipse(mask, (_HEAD_PX // 2, _HEAD_PX // 2), size, 0, 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), _HEAD_PX * 0.015)
    alpha = cv2.warpAffine(mask, turn, (SCENE_PX, SCENE_PX))[..., None]
    moved = cv2.warpAffine(
        np.ascontiguousarray(head), turn, (SCENE_PX, SCENE_PX), borderMode=cv2.BORDER_REPLICATE
    )
    light = random.uniform(0.6, 1.15)
    return picture * (1 - alpha) + np.clip(moved * light, 0, 255) * alpha


def _filmed(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Exposure, defocus, motion, noise, compression."""
    gain = np.exp(random.uniform(np.log(0.05), np.log(0.6))) if random.random() < 0.2 else 1.0
    picture = picture * gain * random.uniform(0.75, 1.2) * random.uniform(0.93, 1.07, 3)
    if random.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.4, 3.5))
    if random.random() < 0.15:
        length = int(random.integers(3, 14))
        kernel = np.full((1, length), 1 / length)
        picture = cv2.filter2D(picture, -1, kernel if random.random() < 0.7 else kernel.T)
    picture = picture + random.normal(0, random.uniform(0, 5), picture.shape)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if random.random() < 0.4:
        picture = through_jpeg(picture, int(random.integers(30, 90)))
    return picture
