"""The report's pipeline, step by step as its design has it, for comparison only.

The clip goes to a file, ffmpeg turns every frame into a PNG, the model is unpickled in each
call, the whole frame goes through it, and `face_recognition` with its defaults finds and
compares a face. Its bugs are left out; what they cost is not.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from recognition.stages import Stopwatch
from scripts.bench.inception_resnet import inception_resnet

PEOPLE = 3


class ReportStyle:
    """`answer` does what the report's handler does with one clip, without the cloud."""

    name = "report_style"

    def __init__(self, ffmpeg: str, enrolled: dict[str, np.ndarray]) -> None:
        import face_recognition

        self._library = face_recognition
        self._ffmpeg = ffmpeg
        self._names = list(enrolled)
        self._known = [face_recognition.face_encodings(photo)[0] for photo in enrolled.values()]
        torch.manual_seed(0)
        buffer = io.BytesIO()
        torch.save(inception_resnet(PEOPLE).eval(), buffer)
        self._model = buffer.getvalue()

    def answer(self, clip: bytes) -> tuple[str | None, dict[str, float]]:
        watch = Stopwatch()
        with tempfile.TemporaryDirectory() as folder, watch.stage("ffmpeg"):
            picture = self._first_frame(clip, Path(folder))
        with watch.stage("load_model"):
            # Our own bytes from a moment ago: the report unpickled the whole module.
            model = torch.load(io.BytesIO(self._model), weights_only=False)
        with watch.stage("custom_model"), torch.no_grad():
            planes = torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255))
            int(model(planes).softmax(1).argmax())
        with watch.stage("face_locations"):
            boxes = self._library.face_locations(picture)
        with watch.stage("face_encodings"):
            encodings = self._library.face_encodings(picture, boxes)
        with watch.stage("compare"):
            name = self._nearest(encodings)
        return name, watch.milliseconds()

    def _first_frame(self, clip: bytes, folder: Path) -> np.ndarray:
        (folder / "clip.h264").write_bytes(clip)
        command = [self._ffmpeg, "-loglevel", "error", "-i", str(folder / "clip.h264")]
        subprocess.run([*command, str(folder / "frame%03d.png")], check=True)
        frames = sorted(folder.glob("frame*.png"))
        return np.array(Image.open(frames[0]).convert("RGB"))

    def _nearest(self, encodings: list[np.ndarray]) -> str | None:
        if not encodings:
            return None
        distances = self._library.face_distance(self._known, encodings[0])
        best = int(distances.argmin())
        return self._names[best] if distances[best] <= 0.6 else None
