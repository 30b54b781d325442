"""Stands in for the old `picamera`: a recorded film plays where the camera would look.

Found as `picamera` with `device/stand_ins` on the import path, which `facelab script` sees to.
"""

from device.stand_ins.film_camera import (
    PiCamera,
    PiCameraClosed,
    PiCameraError,
    PiCameraNotRecording,
    PiCameraRuntimeError,
    PiCameraValueError,
)

__all__ = [
    "PiCamera",
    "PiCameraClosed",
    "PiCameraError",
    "PiCameraNotRecording",
    "PiCameraRuntimeError",
    "PiCameraValueError",
]
