"""`picamera.array`: pictures as numpy arrays."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from device.stand_ins.film_camera import PiCamera


class PiRGBArray(BytesIO):
    """What `capture(output, "rgb")` or `"bgr"` writes; `array` has it as [height, width, 3]."""

    def __init__(self, camera: PiCamera, size: tuple[int, int] | None = None):
        super().__init__()
        self._camera = camera
        self._size = size
        self.array: Any = None

    def flush(self) -> None:
        import numpy

        width, height = self._size or self._camera.film_size
        data = numpy.frombuffer(self.getvalue(), dtype=numpy.uint8)
        self.array = data.reshape(height, width, 3) if data.size == width * height * 3 else None

    def truncate(self, size: int | None = None) -> int:
        self.array = None
        return super().truncate(size)
