"""Five points of a face (both corners of both eyes, the nose's base): dlib's predictor."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contract.results import Box
from recognition.errors import ModelsMissing


class LandmarkPredictor:
    """A cascade of regression trees. Never mix predictors between enrollment and probe.

    Raises
    ------
    ModelsMissing
        When its file is not there.
    """

    def __init__(self, model: Path) -> None:
        if not model.is_file():
            raise ModelsMissing(
                f"{model} is missing; run `python -m weights build --out {model.parent}`"
            )
        with np.load(model, allow_pickle=False) as arrays:
            self._initial = arrays["initial_shape"]
            self._cascades = list(
                zip(
                    *(
                        arrays[name]
                        for name in ("first", "second", "threshold", "leaves", "anchor", "delta")
                    ),
                    strict=True,
                )
            )
        centered = self._initial.astype(np.float64) - self._initial.mean(0)
        self._centered = centered
        self._power = float((centered**2).sum())

    def predict(self, rgb: np.ndarray, box: Box) -> np.ndarray:
        """Landmarks, float32 [5, 2] as (x, y) in px, of the face at `box` in uint8 [h, w, 3].

        Order: right eye's outer and inner corner as seen in the picture, left eye's outer
        and inner corner, nose.
        """
        size = np.array([box.right - box.left, box.bottom - box.top], np.float32)
        origin = np.array([box.left, box.top], np.float32)
        shape = self._initial
        for first, second, threshold, leaves, anchor, delta in self._cascades:
            pixels = self._probe(rgb, shape, anchor, delta, size, origin)
            shape = shape + _regress(pixels, first, second, threshold, leaves)
        return np.floor(shape * size + origin + 0.5)

    def _probe(
        self,
        rgb: np.ndarray,
        shape: np.ndarray,
        anchor: np.ndarray,
        delta: np.ndarray,
        size: np.ndarray,
        origin: np.ndarray,
    ) -> np.ndarray:
        """Gray levels at the probed offsets, turned and scaled like the shape; 0 outside."""
        moved = shape - shape.mean(0)
        cosine = (self._centered * moved).sum() / self._power
        sine = (
            self._centered[:, 0] * moved[:, 1] - self._centered[:, 1] * moved[:, 0]
        ).sum() / self._power
        turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
        places = np.floor((delta @ turn.T + shape[anchor]) * size + origin + 0.5).astype(np.int64)
        x, y = places[:, 0], places[:, 1]
        inside = (x >= 0) & (y >= 0) & (x < rgb.shape[1]) & (y < rgb.shape[0])
        # dlib's gray is the plain mean of the three, rounded down.
        values = rgb[np.where(inside, y, 0), np.where(inside, x, 0)].sum(1, np.int32) // 3
        return np.where(inside, values, 0).astype(np.float32)


def _regress(
    pixels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    threshold: np.ndarray,
    leaves: np.ndarray,
) -> np.ndarray:
    """Walk all trees of a cascade at once and add up their leaves."""
    trees, splits = first.shape
    # Flat indices: a walk looks at 4 of a tree's 15 splits, and `take` is numpy's fastest way.
    tree = np.arange(trees) * splits
    node = np.zeros(trees, np.int64)
    for _ in range((splits + 1).bit_length() - 1):
        place = tree + node
        difference = pixels.take(first.take(place)) - pixels.take(second.take(place))
        node = 2 * node + 2 - (difference > threshold.take(place))
    leaf = node - splits + np.arange(trees) * (splits + 1)
    return leaves.reshape(-1, 10).take(leaf, 0).sum(0).reshape(5, 2)
