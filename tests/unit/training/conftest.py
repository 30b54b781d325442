"""Runs in two environments: the lab's, where tests that need torch are skipped, and the
training environment, where all run:

build/env/training/bin/python -m pytest --confcutdir=tests/unit/training tests/unit/training
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from recognition import Recognizer
from recognition.embedder import Embedder

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "fixtures"
MODELS = ROOT / "build" / "models"


@pytest.fixture(scope="session")
def models_dir() -> Path:
    if not (MODELS / "embedding.onnx").is_file():
        pytest.skip("no model files: `make setup` builds them")
    return MODELS


@pytest.fixture(scope="session")
def recognizer(models_dir: Path) -> Recognizer:
    return Recognizer.load(models_dir)


@pytest.fixture(scope="session")
def embedder(models_dir: Path) -> Embedder:
    return Embedder(models_dir / "embedding.onnx")


def people_photos() -> dict[str, Path]:
    """One enrollment photo of each of the fixture's people."""
    folders = sorted(folder for folder in (FIXTURES / "people").iterdir() if folder.is_dir())
    return {folder.name: sorted(folder.glob("*.jpg"))[0] for folder in folders}


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    return people_photos()


def varied(photo: Path, seed: int, height: int = 300) -> Image.Image:
    """Another moment of the same photo: cut, turned and lit a little otherwise."""
    random = np.random.default_rng(seed)
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    scale = height / rgb.shape[0]
    rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    center = (rgb.shape[1] / 2, rgb.shape[0] / 2)
    turn = cv2.getRotationMatrix2D(center, random.uniform(-5, 5), 1.0)
    turned = cv2.warpAffine(rgb, turn, rgb.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    lit = turned * random.uniform(0.7, 1.15) + random.normal(0, 3, turned.shape)
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Path]:
    """A folder per person with `count` varied pictures of each of the fixture's people."""

    def make(count: int = 4, sessions: int = 0, name: str = "data") -> Path:
        data = tmp_path / name
        for number, (person, photo) in enumerate(people_photos().items()):
            for index in range(count):
                folder = data / person / (f"day-{index % sessions}" if sessions else "")
                folder.mkdir(parents=True, exist_ok=True)
                varied(photo, 100 * number + index).save(folder / f"{index:02d}.png")
        return data

    return make
