"""What can go wrong while weights are built. One line each, with what to do."""

from __future__ import annotations


class WeightsError(Exception):
    """Base of every error of the build step."""


class SourceMissing(WeightsError):
    """`face_recognition_models` is not installed, or one of its files is gone."""


class SourceChanged(WeightsError):
    """A source file is not the one whose digest is committed (a broken or another release)."""


class MalformedSource(WeightsError):
    """A `.dat` file does not follow dlib's format where this reader expects it."""


class ArtifactChanged(WeightsError):
    """What was built differs from the committed digests: accuracy is no longer proven."""
