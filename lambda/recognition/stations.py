"""What a recognizer is made of, as it calls it: our stations and those of the original library.

Only the type checker reads this file. Pictures are uint8 [height, width, 3], RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from contract.results import Box
from recognition.pyramid import Detection


class DetectorStation(Protocol):
    """`detector.Detector` says what each of these finds."""

    def is_plain(self, rgb: np.ndarray) -> bool: ...

    def find(self, rgb: np.ndarray) -> list[Detection]: ...

    def find_all(self, rgb: np.ndarray) -> list[Detection]: ...

    def find_newcomers(
        self, rgb: np.ndarray, before: np.ndarray, known: Sequence[Box]
    ) -> list[Detection]: ...

    def find_near(self, rgb: np.ndarray, box: Box) -> Detection | None: ...

    def turned_by(self, rgb: np.ndarray) -> int | None: ...


class LandmarkStation(Protocol):
    """`landmarks.LandmarkPredictor` says in which order."""

    def predict(self, rgb: np.ndarray, box: Box) -> np.ndarray: ...


class EmbedderStation(Protocol):
    """`embedder.Embedder` says of what."""

    def embed(self, chip: np.ndarray) -> np.ndarray: ...
