"""Galleries and models without those who were forgotten, before they go anywhere."""

from __future__ import annotations

from collections.abc import Callable

from contract.names import GALLERY_KEY
from recognition import CustomModel, Gallery, RecognitionError

MODELS_PREFIX = "models/"


def named_in(key: str, data: bytes) -> tuple[str, ...]:
    """Everybody whom the gallery or model at `key` names.

    Raises
    ------
    RecognitionError
        When it can't be read.
    """
    if key == GALLERY_KEY:
        return Gallery.from_bytes(data).people
    return CustomModel.from_bytes(data).labels if key.startswith(MODELS_PREFIX) else ()


def cleaned(key: str, data: bytes, is_forgotten: Callable[[str], bool]) -> bytes | None:
    """What of the object at `key` may be kept: as it is, without the forgotten, or None.

    A model that was trained on somebody can't be made to forget them; and of what can't be
    read nobody knows whom it names.
    """
    try:
        doomed = [person for person in named_in(key, data) if is_forgotten(person)]
    except RecognitionError:
        return None
    if not doomed:
        return data
    if key != GALLERY_KEY:
        return None
    gallery = Gallery.from_bytes(data)
    for person in doomed:
        gallery = gallery.without(person)
    return gallery.to_bytes()
