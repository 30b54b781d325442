"""The few classes of picamera2 that the Pi source uses, on a film instead of a sensor.

Names, signatures, order of calls and threads are the real ones (tests compare them with
`picamera2_signatures.json`): `start_recording` starts the encoder with its output, then the
camera; for each frame `post_callback` comes before the encoder; the output is called on a
thread of picamera2's; timestamps are microseconds since the first frame.
"""

from __future__ import annotations

import sys
import threading
import time
from types import ModuleType

import pytest

from contract.annexb import access_units, nal_units

EXPOSURE_US = 8_000


class Output:
    def __init__(self, pts=None):
        self.recording = False
        self.ptsoutput = pts

    def start(self):
        self.recording = True

    def stop(self):
        self.recording = False

    def outputframe(self, frame, keyframe=True, timestamp=None, packet=None, audio=False):
        pass


class H264Encoder:
    def __init__(
        self,
        bitrate=None,
        repeat=True,
        iperiod=None,
        framerate=None,
        enable_sps_framerate=False,
        qp=None,
        profile=None,
    ):
        self.bitrate, self.repeat, self.iperiod, self.framerate = (
            bitrate,
            repeat,
            iperiod,
            framerate,
        )
        self.firsttimestamp = None
        self._output: list[Output] = []
        self._running = False

    @property
    def output(self):
        return self._output[0] if len(self._output) == 1 else self._output

    @output.setter
    def output(self, value):
        if not isinstance(value, Output):
            raise RuntimeError("Must pass Output")
        self._output = [value]

    def start(self, quality=None):
        if self._running:
            raise RuntimeError("Encoder already running")
        self._running = True
        self.firsttimestamp = None
        for output in self._output:
            output.start()

    def stop(self):
        if not self._running:
            raise RuntimeError("Encoder already stopped")
        self._running = False
        for output in self._output:
            output.stop()

    def encode(self, request, frame, key):
        timestamp = int(request.get_metadata()["SensorTimestamp"] / 1000)
        if self.firsttimestamp is None:
            self.firsttimestamp = timestamp
        for output in self._output:
            output.outputframe(frame, key, timestamp - self.firsttimestamp, None, False)


class CompletedRequest:
    def __init__(self, metadata):
        self._metadata = metadata

    def get_metadata(self):
        return dict(self._metadata)


class Picamera2:
    film = b""
    camera_controls = {"FrameRate": (1, 60, 30)}  # noqa: RUF012  what this sensor can
    refuses: Exception | None = None  # raised by start_recording
    never_stops = False
    speed = 1.0
    silent = False
    cameras = 1
    opened: list[Picamera2] = []  # noqa: RUF012

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        if camera_num >= self.cameras:
            raise IndexError("list index out of range")
        self.post_callback = None
        self.camera_config = None
        self.calls: list[str] = []
        self._encoder = None
        self._stop = threading.Event()
        self._thread = None
        Picamera2.opened.append(self)

    def create_video_configuration(
        self,
        main={},  # noqa: B006  as in the original
        lores=None,
        raw={},  # noqa: B006
        transform=None,
        colour_space=None,
        buffer_count=6,
        controls={},  # noqa: B006
        display="main",
        encode="main",
        queue=True,
        sensor={},  # noqa: B006
        use_case="video",
    ):
        return {"main": main, "controls": controls, "transform": transform}

    def configure(self, camera_config=None):
        self.camera_config = camera_config

    def start_recording(self, encoder, output, pts=None, config=None, quality=None, name=None):
        self.calls.append("start_recording")
        if self.refuses is not None:
            raise self.refuses
        encoder.output = output
        encoder.start(quality=quality)
        self._encoder = encoder
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop_recording(self):
        self.calls.append("stop_recording")
        self._stop.set()
        if self.never_stops:
            threading.Event().wait()
        self._thread.join()
        self._encoder.stop()

    def close(self):
        self.calls.append("close")

    def _run(self):
        frame_ns = round(1e9 / self.camera_config["controls"]["FrameRate"] / self.speed)
        began = time.monotonic_ns()
        for number, unit in enumerate(() if self.silent else access_units(nal_units(self.film))):
            sensor_ns = began + number * frame_ns
            if self._stop.wait(max(0.0, (sensor_ns - time.monotonic_ns()) / 1e9)):
                return
            metadata = {"SensorTimestamp": sensor_ns, "ExposureTime": EXPOSURE_US}
            request = CompletedRequest(metadata)
            if self.post_callback:
                self.post_callback(request)
            self._encoder.encode(request, self.film[unit.start : unit.end], unit.is_key)


def install(monkeypatch: pytest.MonkeyPatch, film: bytes, speed: float = 1.0) -> type[Picamera2]:
    """Make `import picamera2` give this fake, playing `film`."""
    package, encoders, outputs = (
        ModuleType(name) for name in ("picamera2", "picamera2.encoders", "picamera2.outputs")
    )
    package.Picamera2, encoders.H264Encoder, outputs.Output = Picamera2, H264Encoder, Output
    for module in (package, encoders, outputs):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name, value in {"film": film, "speed": speed, "silent": False, "opened": []}.items():
        monkeypatch.setattr(Picamera2, name, value)
    return Picamera2
