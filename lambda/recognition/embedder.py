"""From an aligned face to 128 numbers: dlib's face network, and how such numbers are compared.

An embedding is float32 [128]; of several, [n, 128].
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recognition.runtime import open_session

EMBEDDING_SIZE = 128


class Embedder:
    """Embeddings are dlib's, number for number: `face_recognition` would make the same."""

    def __init__(self, model: Path) -> None:
        self._session = open_session(model)

    def embed(self, chip: np.ndarray) -> np.ndarray:
        """float32 [128] of a chip, uint8 [150, 150, 3], RGB."""
        return self.embed_all(chip[None])[0]

    def embed_all(self, chips: np.ndarray) -> np.ndarray:
        """float32 [n, 128] of chips, uint8 [n, 150, 150, 3], RGB."""
        return self._session.run(None, {"chips": chips})[0]


def unit_length(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings [..., 128] scaled to length 1.

    Their lengths (1.2 to 1.7) say how clear a picture is rather than whom it shows: masked,
    blurred and dark faces are short, and near to everybody for that reason alone.
    """
    length = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.maximum(length, 1e-9)


def distance_between(a: np.ndarray, b: np.ndarray) -> float:
    """L2 distance of two embeddings `a` and `b` [128] at unit length: 0 to 2, strangers around
    0.53."""
    return float(np.linalg.norm(unit_length(a) - unit_length(b)))


def distances_between(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The same of any of `some` [n, 128] and any of `others` [m, 128]: [n, m]."""
    apart = unit_length(some)[:, None] - unit_length(others)[None]
    return np.asarray(np.linalg.norm(apart, axis=2))
