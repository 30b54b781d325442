"""facelab's pipeline behind the same two methods as the report's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recognition import CustomModel, Gallery, Recognizer


class Facelab:
    """`answer` does what our handler does with one clip, without the cloud."""

    name = "facelab"

    def __init__(self, models: Path, custom: Path, enrolled: dict[str, np.ndarray]) -> None:
        self._recognizer = Recognizer.load(models)
        self._custom = CustomModel.from_bytes(custom.read_bytes())
        people, rows = list(enrolled), []
        for photo in enrolled.values():
            rows.append(self._recognizer.observe(photo)[0].embedding)
        self._gallery = Gallery.of(people, np.array(rows))

    def answer(self, clip: bytes) -> tuple[str | None, dict[str, float]]:
        found = self._recognizer.recognize(clip, self._gallery, self._custom)
        named = [face.person_id for face in found.faces if face.person_id]
        return (named[0] if named else None), found.stages_ms
