"""Faces that were found before, by the picture's content: a second look costs a file's reading.

What is kept is as personal as the pictures themselves. It lies in `build/cache/faces`, is not
used for anything but training and evaluation, goes after a week, and with `make clean`.
"""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from pathlib import Path

import numpy as np

from contract.results import Box
from recognition.quality import Quality
from recognition.tracking import FaceObservation
from training.tree import written_whole

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "cache" / "faces"
_KEPT_S = 7 * 24 * 3600.0
# What a face found in a picture depends on.
_STATIONS = (
    "alignment",
    "detector",
    "embedder",
    "landmarks",
    "proposals",
    "pyramid",
    "quality",
    "settings",
)
_MODELS = ("detector.onnx", "embedding.onnx", "landmarks.npz", "proposals.onnx")


class FaceCache:
    """`models` says which models' faces these are; other models, or other code, find anew."""

    def __init__(self, models: Path, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._made_by = _code_and_models(models)

    def key_of(self, picture: Path) -> str:
        return hashlib.sha256(self._made_by + picture.read_bytes()).hexdigest()

    def read(self, key: str) -> tuple[FaceObservation | None, int] | None:
        """The main face (or none) and how many there were; None when it is not here, or damaged."""
        try:
            data = self._path(key).read_bytes()
            with np.load(io.BytesIO(data), allow_pickle=False) as kept:
                return _observation(kept), int(kept["count"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, key: str, seen: FaceObservation | None, count: int) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, count=count, **(_arrays(seen) if seen else {}))
        with written_whole(self._path(key)) as part:
            part.write_bytes(buffer.getvalue())

    def drop_old(self) -> None:
        """Remove what was not written within a week."""
        limit = time.time() - _KEPT_S
        for path in self._folder.glob("*/*.npz"):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npz"


def _arrays(seen: FaceObservation) -> dict[str, np.ndarray]:
    box, quality = seen.box, seen.quality
    return {
        "box": np.array([box.top, box.right, box.bottom, box.left]),
        "score": np.array(seen.detection_score),
        "landmarks": seen.landmarks,
        "chip": seen.chip,
        "embedding": seen.embedding,
        "quality": np.array([quality.size_px, quality.blur, quality.contrast, quality.weight]),
        "shortcoming": np.array(quality.shortcoming or ""),
    }


def _observation(kept: np.lib.npyio.NpzFile) -> FaceObservation | None:
    if "chip" not in kept:
        return None
    size_px, blur, contrast, weight = kept["quality"].tolist()
    return FaceObservation(
        box=Box(*kept["box"].tolist()),
        detection_score=float(kept["score"]),
        landmarks=kept["landmarks"],
        chip=kept["chip"],
        embedding=kept["embedding"],
        quality=Quality(int(size_px), blur, contrast, weight, str(kept["shortcoming"]) or None),
    )


def _code_and_models(models: Path) -> bytes:
    digest = hashlib.sha256()
    recognition = ROOT / "lambda" / "recognition"
    code = [recognition / f"{name}.py" for name in _STATIONS]
    code.append(Path(__file__).with_name("faces.py"))
    for path in [*code, *(models / name for name in _MODELS)]:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()
