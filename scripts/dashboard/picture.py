"""What passes between the server and who makes its pictures."""

from __future__ import annotations

import struct
from dataclasses import dataclass

FULL, SMALL = b"f", b"s"
_SIZE = struct.Struct(">II")


@dataclass(frozen=True)
class FramePicture:
    """A JPEG of a frame that was `width` by `height` px: boxes are in these, whatever its own."""

    width: int
    height: int
    jpeg: bytes

    def to_bytes(self) -> bytes:
        return _SIZE.pack(self.width, self.height) + self.jpeg

    @classmethod
    def from_bytes(cls, data: bytes) -> FramePicture | None:
        """None for nothing."""
        if not data:
            return None
        width, height = _SIZE.unpack_from(data)
        return cls(width, height, data[_SIZE.size :])
