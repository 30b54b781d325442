"""The Raspberry Pi's camera, through picamera2, which exists only there."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from device.cutter import Cutter, EncodedFrame
from device.sources.base import Footage, Source, SourceError, SourceOptions

# A camera that is silent for so long has a loose cable or a hung driver.
SILENCE_S = 5.0
POLL_S = 0.2


class PiCameraSource(Source):
    """One running camera and one encoder for as long as the source is open.

    The encoder is told to make a key frame, with parameter sets, every clip length; clips are
    cut there without dropping a frame. On a Pi 4 the encoder is the hardware's, on a Pi 5
    picamera2 puts a software one in its place; both are driven the same way.

    picamera2's own `SplittableOutput` cuts as cleanly, but tells neither when the cut was nor
    the frames' times, and blocks a thread until it happened. So our output takes each frame
    with its time, on picamera2's encoder thread, and cuts later.
    """

    def __init__(self, options: SourceOptions, camera: int = 0) -> None:
        self._options = options
        self._number = camera
        try:
            from picamera2 import Picamera2
            from picamera2.encoders import H264Encoder
            from picamera2.outputs import Output
        except ImportError as error:
            raise SourceError(
                f"picamera2 can't be imported: {error}",
                "on a Pi: `sudo apt install python3-picamera2` and a virtual environment made "
                "with --system-site-packages; elsewhere take --source FILE.h264",
            ) from error
        self._frames: SimpleQueue[tuple[bytes, bool, int]] = SimpleQueue()
        self._exposure_us = 0
        self._encoder = H264Encoder(
            bitrate=options.bitrate,
            repeat=True,
            iperiod=options.frames_per_clip,
            framerate=options.fps,
        )
        self._output = _frame_output(Output, self._frames)
        try:
            self._camera = Picamera2(camera)
            configuration = self._camera.create_video_configuration(
                main={"size": (options.width, options.height), "format": "YUV420"},
                controls={"FrameRate": options.fps},
            )
            self._camera.configure(configuration)
        except (RuntimeError, IndexError) as error:
            raise SourceError(
                f"camera {camera} can't be opened: {error}",
                "`rpicam-hello --list-cameras` shows what is connected; another program may "
                "hold the camera",
            ) from error
        self._camera.post_callback = self._note_exposure

    def __str__(self) -> str:
        options = self._options
        size = f"{options.width}×{options.height}"
        return f"Pi camera {self._number} ({size}, {options.fps:g} frames a second)"

    def clips(self, stop: Event) -> Iterator[Footage]:
        cutter = Cutter(self._options.frames_per_clip)
        self._camera.start_recording(self._encoder, self._output)
        try:
            silent_s = 0.0
            while not stop.is_set():
                try:
                    data, key, timestamp_us = self._frames.get(timeout=POLL_S)
                except Empty:
                    silent_s += POLL_S
                    if silent_s > SILENCE_S:
                        raise SourceError(
                            f"the camera gave no picture for {SILENCE_S:g} s",
                            "check its ribbon cable; systemd starts the service again",
                        ) from None
                    continue
                silent_s = 0.0
                clip = cutter.add(self._stamped(data, key, timestamp_us))
                if clip is not None:
                    yield clip
        finally:
            self._camera.stop_recording()

    def close(self) -> None:
        self._camera.close()

    def _stamped(self, data: bytes, key: bool, timestamp_us: int) -> EncodedFrame:
        """picamera2 counts from the first frame, whose time it keeps as `firsttimestamp`.

        The sensor's time stamp marks the end of exposure, on the monotonic clock.
        """
        end_ns = (self._encoder.firsttimestamp + timestamp_us) * 1000
        return EncodedFrame(data, key, end_ns - self._exposure_us * 1000, end_ns)

    def _note_exposure(self, request: Any) -> None:
        """Called by picamera2 for each frame, before it is encoded."""
        self._exposure_us = request.get_metadata().get("ExposureTime", 0)


def _frame_output(base: type, frames: SimpleQueue[tuple[bytes, bool, int]]) -> Any:
    """An output in picamera2's sense: it must derive from picamera2's own class."""

    class FrameOutput(base):
        def outputframe(
            self,
            frame: bytes,
            keyframe: bool = True,
            timestamp: int | None = None,
            packet: Any = None,
            audio: bool = False,
        ) -> None:
            if self.recording and not audio:
                frames.put((bytes(frame), keyframe, timestamp or 0))

    return FrameOutput()
