"""Faces in a clip, and who they are.

The seam to the rest of the function is what is imported here.
"""

from recognition.custom_model import CustomModel
from recognition.decision import Verdict
from recognition.decode import Clip
from recognition.errors import (
    ClipRejected,
    CustomModelUnusable,
    GalleryUnreadable,
    ModelsMissing,
    RecognitionError,
)
from recognition.gallery import Gallery
from recognition.inquiry import RecognizedFace
from recognition.loading import load_recognizer
from recognition.recognizer import Recognition, Recognizer
from recognition.settings import Settings
from recognition.stages import Stopwatch
from recognition.tracking import FaceObservation

__all__ = [
    "Clip",
    "ClipRejected",
    "CustomModel",
    "CustomModelUnusable",
    "FaceObservation",
    "Gallery",
    "GalleryUnreadable",
    "ModelsMissing",
    "Recognition",
    "RecognitionError",
    "RecognizedFace",
    "Recognizer",
    "Settings",
    "Stopwatch",
    "Verdict",
    "load_recognizer",
]
