"""`PiCamera` as programs of 2013 to 2022 use it, before a film instead of a lens."""

from __future__ import annotations

import datetime
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from device.stand_ins.film import Film, Recording

FILM = "FACELAB_FILM"
FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "lab.h264"
FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".bmp": "bmp", ".gif": "gif"}
RAW = ("rgb", "bgr")
# Settings of a lens and a sensor, with the original's defaults; a film is what it is.
SETTINGS: dict[str, Any] = {
    "annotate_background": None,
    "annotate_text": "",
    "annotate_text_size": 32,
    "awb_gains": (1.0, 1.0),
    "awb_mode": "auto",
    "brightness": 50,
    "contrast": 0,
    "drc_strength": "off",
    "exif_tags": {},
    "exposure_compensation": 0,
    "exposure_mode": "auto",
    "framerate": 30,
    "hflip": False,
    "image_effect": "none",
    "iso": 0,
    "ISO": 0,
    "led": True,
    "meter_mode": "average",
    "resolution": (640, 480),
    "rotation": 0,
    "saturation": 0,
    "sensor_mode": 0,
    "sharpness": 0,
    "shutter_speed": 0,
    "vflip": False,
    "video_stabilization": False,
    "zoom": (0.0, 0.0, 1.0, 1.0),
}


class PiCameraError(Exception):
    """Base of what the camera raises."""


class PiCameraRuntimeError(PiCameraError, RuntimeError):
    """A call that does not go with what the camera does now."""


class PiCameraClosed(PiCameraRuntimeError):
    """The camera was closed."""


class PiCameraNotRecording(PiCameraRuntimeError):
    """Nothing is being recorded."""


class PiCameraValueError(PiCameraError, ValueError):
    """A value that the camera does not take."""


class PiCamera:
    """One camera. The film begins when it is opened, and plays at its own pace, over and over. The
    arguments are `picamera`'s; `camera_num` and `sensor_mode` choose nothing here.

    Raises
    ------
    PiCameraError
        When there is no film to play.
    """

    MAX_RESOLUTION = (2592, 1944)
    MAX_FRAMERATE = 90
    revision = "ov5647"

    def __init__(
        self,
        camera_num: int = 0,
        stereo_mode: str = "none",
        stereo_decimate: bool = False,
        resolution: Any = None,
        framerate: Any = None,
        sensor_mode: int = 0,
        led_pin: Any = None,
        clock_mode: str = "reset",
        framerate_range: Any = None,
    ):
        path = Path(os.environ.get(FILM) or FIXTURE)
        try:
            self._film = Film.read(path)
        except (OSError, ValueError) as error:
            raise PiCameraError(f"{FILM}={path}: {error}") from error
        self._opened_s = time.monotonic()
        self._recording: Recording | None = None
        self._own: IO[bytes] | None = None
        self.closed = False
        self.previewing = False
        self._settings = dict(SETTINGS)
        print(f"picamera: {path.name} plays instead of a camera", file=sys.stderr)
        for name, value in (("resolution", resolution), ("framerate", framerate)):
            if value is not None:
                setattr(self, name, value)
        self.sensor_mode = sensor_mode

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_settings"][name]
        except KeyError:
            raise AttributeError(f"the stand-in of PiCamera has no {name}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTINGS:
            self._check_open()
            self._settings[name] = value
        elif name.startswith("_") or name in ("closed", "previewing"):
            super().__setattr__(name, value)
        else:
            raise AttributeError(f"PiCamera has no {name}")

    def __enter__(self) -> PiCamera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._recording is not None:
            self.stop_recording()
        self.closed = True

    @property
    def recording(self) -> bool:
        return self._recording is not None

    @property
    def timestamp(self) -> int:
        """Microseconds since the camera was opened."""
        return int((time.monotonic() - self._opened_s) * 1e6)

    @property
    def film_size(self) -> tuple[int, int]:
        """Width and height of the film's pictures (px)."""
        picture = self._picture()
        return picture.size

    def start_preview(self, **options: Any) -> None:
        self._check_open()
        self.previewing = True

    def stop_preview(self) -> None:
        self.previewing = False

    def start_recording(
        self,
        output: Any,
        format: str | None = None,
        resize: Any = None,
        splitter_port: int = 1,
        **options: Any,
    ) -> None:
        """Record from the film's next key frame on.

        Raises
        ------
        PiCameraRuntimeError
            When it is recording already, or closed.
        PiCameraValueError
            When it is asked for another format than H.264.
        """
        self._check_open()
        if self._recording is not None:
            raise PiCameraRuntimeError("The camera is already recording on this splitter port")
        _check_format(output, format)
        at = self._film.key_before(self._playing())
        self._recording = Recording(self._film, at, self._open(output))

    def split_recording(self, output: Any, splitter_port: int = 1, **options: Any) -> None:
        """Go on in another output, from a key frame."""
        recording = self._current()
        before = self._own
        recording.split(self._open(output))
        if before is not None:
            before.close()

    def wait_recording(self, timeout: float = 0, splitter_port: int = 1) -> None:
        self._current().wait(timeout)

    def stop_recording(self, splitter_port: int = 1) -> None:
        recording = self._current()
        self._recording = None
        try:
            recording.stop()
        finally:
            if self._own is not None:
                self._own.close()
                self._own = None

    def record_sequence(
        self,
        outputs: Iterable[Any],
        format: str = "h264",
        resize: Any = None,
        splitter_port: int = 1,
        **options: Any,
    ) -> Iterator[Any]:
        """Record to one output after another; each lasts until the next is asked for."""
        try:
            for output in outputs:
                if self._recording is None:
                    self.start_recording(output, format)
                else:
                    self.split_recording(output)
                yield output
        finally:
            if self._recording is not None:
                self.stop_recording()

    def capture(
        self,
        output: Any,
        format: str | None = None,
        use_video_port: bool = False,
        resize: Any = None,
        splitter_port: int = 0,
        bayer: bool = False,
        **options: Any,
    ) -> None:
        """Write the picture that the film shows now.

        Raises
        ------
        PiCameraValueError
            When the format can't be told, or is none that it writes.
        PiCameraRuntimeError
            When it is closed.
        """
        self._check_open()
        kind = format or FORMATS.get(Path(str(output)).suffix.lower() if _is_name(output) else "")
        if kind is None:
            raise PiCameraValueError(f"the format of {output!r} is not known: name it")
        kind = kind.removeprefix("image/").replace("jpg", "jpeg")
        picture = self._picture()
        if resize is not None:
            picture = picture.resize(tuple(resize))
        if kind in RAW:
            data = picture.tobytes() if kind == "rgb" else picture.tobytes("raw", "BGR")
        elif kind in FORMATS.values():
            buffer = io.BytesIO()
            picture.save(buffer, kind)
            data = buffer.getvalue()
        else:
            raise PiCameraValueError(f"the stand-in writes no {kind}")
        if _is_name(output):
            Path(output).write_bytes(data)
        else:
            output.write(data)
            if hasattr(output, "flush"):
                output.flush()

    def capture_continuous(
        self, output: Any, format: str | None = None, use_video_port: bool = False, **options: Any
    ) -> Iterator[Any]:
        """Pictures without end; `{counter}` and `{timestamp}` in a name are filled in."""
        counter = 0
        while True:
            counter += 1
            target = output
            if _is_name(output):
                target = str(output).format(counter=counter, timestamp=datetime.datetime.now())
            self.capture(target, format, use_video_port, **options)
            yield target

    def capture_sequence(
        self,
        outputs: Iterable[Any],
        format: str = "jpeg",
        use_video_port: bool = False,
        **options: Any,
    ) -> None:
        for output in outputs:
            self.capture(output, format, use_video_port, **options)

    def _playing(self) -> int:
        """The number of the frame that is shown."""
        return int((time.monotonic() - self._opened_s) * self._film.fps)

    def _picture(self) -> Any:
        """What the film shows, decoded from the last key frame on."""
        import av

        now = self._playing()
        decoder = av.CodecContext.create("h264", "r")
        frames = []
        for number in range(self._film.key_before(now), now + 1):
            frames += decoder.decode(av.Packet(self._film.frame(number)))
        frames += decoder.decode(None)
        picture: Any = frames[-1]
        return picture.to_image()

    def _open(self, output: Any) -> Any:
        self._own = Path(output).open("wb") if _is_name(output) else None  # noqa: SIM115
        return self._own or output

    def _current(self) -> Recording:
        self._check_open()
        if self._recording is None:
            raise PiCameraNotRecording("There is no recording in progress")
        return self._recording

    def _check_open(self) -> None:
        if self.__dict__.get("closed"):
            raise PiCameraClosed("Camera is closed")


def _is_name(output: Any) -> bool:
    return isinstance(output, (str, os.PathLike))


def _check_format(output: Any, format: str | None) -> None:
    kind = format or (Path(output).suffix.removeprefix(".") if _is_name(output) else "h264")
    if kind not in ("h264", "264"):
        raise PiCameraValueError(f"the stand-in records H.264, not {kind}")
