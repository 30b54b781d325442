"""The Raspberry Pi's camera, through picamera2, which exists only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from device.console import warn
from device.cutter import Cutter, EncodedFrame
from device.sources.base import Footage, Source, SourceError, SourceOptions, foreign
from device.stopping import within

# A camera that is silent for so long has a loose cable or a hung driver.
SILENCE_S = 5.0
POLL_S = 0.2
# How long stopping and closing may take; a driver that lost its camera never comes back.
STOP_S = 3.0
CABLE_HINT = "check its ribbon cable; as a service it is started again"
# libcamera's AfModeEnum.
AF_MANUAL = 0
AF_CONTINUOUS = 2


class PiCameraSource(Source):
    """One running camera and one encoder for as long as the source is open.

    The encoder is told to make a key frame, with parameter sets, every clip length; clips are
    cut there without dropping a frame. On a Pi 4 the encoder is the hardware's, on a Pi 5
    picamera2 puts a software one in its place; both are driven the same way.

    picamera2's own `SplittableOutput` cuts as cleanly, but tells neither when the cut was nor
    the frames' times, and blocks a thread until it happened. So our output takes each frame
    with its time, on picamera2's encoder thread, and cuts later.

    Raises
    ------
    SourceError
        When picamera2 is missing, or the camera can't be opened or does not take the options.
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
        with foreign(
            f"camera {camera} can't be opened",
            "`rpicam-hello --list-cameras` shows what is connected; another program may hold "
            "the camera",
        ):
            self._camera = Picamera2(camera)
        try:
            with foreign(
                f"the camera does not take {options.width}×{options.height} at {options.fps:g}",
                "`rpicam-hello --list-cameras` shows its sizes",
            ):
                self._camera.configure(self._configuration())
        except SourceError:
            self.close()
            raise
        self._camera.post_callback = self._note_exposure

    def __str__(self) -> str:
        options = self._options
        size = f"{options.width}×{options.height}"
        return f"Pi camera {self._number} ({size}, {options.fps:g} frames a second)"

    def clips(self, stop: Event) -> Iterator[Footage]:
        """Yield each clip as soon as its last frame is over, until `stop` is set.

        Raises
        ------
        SourceError
            When the camera does not start, or gives no picture for `SILENCE_S`.
        """
        cutter = Cutter(self._options.frames_per_clip)
        with foreign(
            "the camera does not start",
            "the Pi's encoder takes up to 1920×1080 at 30 frames a second, or 1280×720 at 60: "
            "try a smaller --width, --height or --fps",
        ):
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
                            CABLE_HINT,
                        ) from None
                    continue
                silent_s = 0.0
                clip = cutter.add(self._stamped(data, key, timestamp_us))
                if clip is not None:
                    yield clip
        finally:
            self._end("stop", self._camera.stop_recording)

    def close(self) -> None:
        self._end("close", self._camera.close)

    def _end(self, verb: str, call: Callable[[], None]) -> None:
        """Clean up, as far as a driver without a camera lets us; what was recorded is safe."""
        try:
            if not within(STOP_S, call):
                warn(f"the camera does not {verb} ({CABLE_HINT})")
        except Exception as error:
            warn(f"the camera does not {verb}: {error} ({CABLE_HINT})")

    def _configuration(self) -> Any:
        options = self._options
        more: dict[str, Any] = {}
        if options.rotation == 180:
            from libcamera import Transform

            more["transform"] = Transform(hflip=1, vflip=1)
        return self._camera.create_video_configuration(
            main={"size": (options.width, options.height), "format": "YUV420"},
            controls={"FrameRate": options.fps, **self._focus()},
            **more,
        )

    def _focus(self) -> dict[str, float]:
        """picamera2 leaves a lens where it is unless it is told otherwise."""
        distance_m = self._options.focus_m
        if "AfMode" not in self._camera.camera_controls:
            if distance_m is not None:
                raise SourceError(
                    f"camera {self._number} has a fixed lens, which can't be moved",
                    "leave --focus out; the lens of a Camera Module 3 can",
                )
            return {}
        if distance_m is None:
            return {"AfMode": AF_CONTINUOUS}
        return {"AfMode": AF_MANUAL, "LensPosition": 1 / distance_m}  # dioptres

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
