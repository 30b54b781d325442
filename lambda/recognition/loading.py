"""Which recognizer runs: ours, or the original library for comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from recognition.errors import RecognitionError
from recognition.recognizer import Recognizer
from recognition.settings import Settings

VARIABLE = "FACELAB_RECOGNIZER"
CHOICES = ("facelab", "face_recognition", "face_recognition_raw")


class UnknownRecognizer(RecognitionError, ValueError):
    """`FACELAB_RECOGNIZER` names something that does not exist."""


def load_recognizer(
    models_dir: Path,
    settings: Settings | None = None,
    environment: Mapping[str, str] | None = None,
) -> Recognizer:
    """The recognizer that `FACELAB_RECOGNIZER` chooses, ours by default.

    Raises
    ------
    UnknownRecognizer
        When there is no recognizer of that name.
    ModelsMissing
        When its model files are not in `models_dir`.
    ReferenceMissing
        When the reference library is asked for and not installed.
    """
    chosen = (os.environ if environment is None else environment).get(VARIABLE) or CHOICES[0]
    if chosen in CHOICES[1:]:
        from recognition.reference import ReferenceRecognizer

        if chosen == CHOICES[2]:
            return ReferenceRecognizer.load_raw(settings)
        return ReferenceRecognizer.load(models_dir, settings)
    if chosen != "facelab":
        raise UnknownRecognizer(f"{VARIABLE}={chosen} is not one of {', '.join(CHOICES)}")
    return Recognizer.load(models_dir, settings)
