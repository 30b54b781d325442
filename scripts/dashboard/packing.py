"""Thousands of texts that are alike, kept small: each as what differs from the first few."""

from __future__ import annotations

import zlib

MODELS = 6  # enough that each kind of line is among them
_MOST_BYTES = 32_768  # what zlib looks back at


class Packer:
    """For one thread at a time. What it packed, `unpack` makes a text again."""

    def __init__(self) -> None:
        self._model = b""
        self._seen = 0

    def pack(self, text: str) -> tuple[bytes, bytes]:
        """(the packed text, what it is unpacked with: the same for all but the first few)."""
        data, model = text.encode(), self._model
        packer = zlib.compressobj(zdict=model)
        packed = packer.compress(data) + packer.flush()
        if self._seen < MODELS:
            self._seen += 1
            self._model = (model + data)[-_MOST_BYTES:]
        return packed, model


def unpack(packed: bytes, model: bytes) -> str:
    return zlib.decompressobj(zdict=model).decompress(packed).decode()
