"""A USB or laptop camera, through PyAV: an optional extra (`device/requirements-webcam.txt`)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from threading import Event
from typing import Any

from device.cutter import Cutter, EncodedFrame
from device.sources.base import Footage, Source, SourceError, SourceOptions, foreign

UNPLUGGED = "is it still plugged in? `v4l2-ctl --list-devices` shows what is there"
INPUT_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


class WebcamSource(Source):
    """Reads raw pictures and encodes them here, one thread, a key frame every clip length.

    A webcam tells no exposure times: a frame's time is when it arrived, less one frame.

    Raises
    ------
    SourceError
        When PyAV is missing, or the camera can't be opened.
    """

    def __init__(
        self,
        options: SourceOptions,
        device: str = "0",
        input_format: str | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._monotonic_ns = monotonic_ns
        self._name = f"/dev/video{device}" if device.isdecimal() else device
        if sys.platform != "linux":
            self._name = device
        try:
            import av
        except ImportError as error:
            raise SourceError(
                "a webcam needs PyAV, which is not installed",
                "pip install -r device/requirements-webcam.txt",
            ) from error
        self._av = av
        chosen = input_format or INPUT_FORMATS.get(sys.platform, "v4l2")
        wanted = {
            "video_size": f"{options.width}x{options.height}",
            "framerate": f"{options.fps:g}",
        }
        try:
            self._input = av.open(
                self._name, format=chosen, options=wanted if input_format is None else {}
            )
        except (OSError, ValueError) as error:
            raise SourceError(
                f"webcam {self._name} can't be opened: {error}",
                "`v4l2-ctl --list-devices` shows what is there; another program may hold it",
            ) from error

    def __str__(self) -> str:
        options = self._options
        return f"webcam {self._name} ({options.width}×{options.height}, {options.fps:g} a second)"

    def clips(self, stop: Event) -> Iterator[Footage]:
        cutter = Cutter(self._options.frames_per_clip)
        encoder: Any = None
        times: dict[int, int] = {}
        frame_ns = round(1e9 / self._options.fps)
        for number, picture in enumerate(self._pictures()):
            if stop.is_set():
                return
            if encoder is None:
                encoder = self._encoder(picture.width, picture.height)
            times[number] = self._monotonic_ns()
            picture = picture.reformat(format="yuv420p")
            # Raw pictures all count as key frames; the encoder would follow them.
            picture.pict_type = self._av.video.frame.PictureType.NONE
            picture.pts = number
            picture.time_base = encoder.time_base
            with foreign("the webcam's picture can't be encoded", UNPLUGGED):
                packets = encoder.encode(picture)
            for packet in packets:
                end_ns = times.pop(packet.pts)
                frame = EncodedFrame(bytes(packet), packet.is_keyframe, end_ns - frame_ns, end_ns)
                clip = cutter.add(frame)
                if clip is not None:
                    yield clip

    def close(self) -> None:
        self._input.close()

    def _pictures(self) -> Iterator[Any]:
        pictures = self._input.decode(video=0)
        while True:
            with foreign(f"webcam {self._name} stopped", UNPLUGGED):
                picture = next(pictures, None)
            if picture is None:
                return
            yield picture

    def _encoder(self, width: int, height: int) -> Any:
        options = self._options
        encoder = self._av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = width, height
        encoder.pix_fmt = "yuv420p"
        encoder.framerate = Fraction(options.fps).limit_denominator(1001)
        encoder.time_base = 1 / encoder.framerate
        encoder.bit_rate = options.bitrate
        encoder.gop_size = options.frames_per_clip
        encoder.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": f"keyint={options.frames_per_clip}:scenecut=0:repeat-headers=1",
        }
        return encoder
