"""Values that people write on the command line and in the environment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

MIN_CLIP_S = 0.3


def size(text: str) -> int:
    """`512M` in bytes; K, M and G are powers of 1024."""
    units = {"K": 1024, "M": 1024**2, "G": 1024**3}
    number, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 1)
    value = round(float(number) * unit)
    if value <= 0:
        raise ValueError(text)
    return value


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError(text)
    return value


def clip_seconds(text: str) -> float:
    value = seconds(text)
    if value < MIN_CLIP_S:
        raise argparse.ArgumentTypeError(f"a clip is {MIN_CLIP_S} s or longer")
    return value


def at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def spool_folder() -> Path:
    """Where the spools are, unless `--spool` says otherwise."""
    return Path(os.environ.get("FACELAB_SPOOL") or "out/spool")
