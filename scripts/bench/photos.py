"""The photos of faces that the benches read, as OpenCV decodes them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from scripts.errors import LabError


def read_photo(path: Path) -> np.ndarray:
    """uint8 RGB [height, width, 3].

    Raises
    ------
    LabError
        When OpenCV can't read it: no picture, or a damaged one.
    """
    photo = cv2.imread(str(path))
    if photo is None:
        raise LabError(f"{path} is no picture that can be read", "mend it or take it away")
    return cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
