from __future__ import annotations

import argparse
import inspect
import json
import sys
from itertools import pairwise
from threading import Event
from types import ModuleType

import pytest

from contract.annexb import access_units, nal_units
from device import stopping
from device.cutter import Cutter, EncodedFrame
from device.settings import focus, rotation
from device.sources import SourceError, SourceOptions, open_source
from device.sources import picamera as picamera_module
from device.sources.webcam import WebcamSource
from tests.fakes import picamera2 as fake
from tests.fakes.h264 import PPS, SPS, stream
from tests.fakes.picamera2_signatures import FACTS

OPTIONS = SourceOptions(clip_seconds=0.5, fps=30)
KNOWN = json.loads(FACTS.read_text())


class TestCutter:
    def frames(self, film: bytes) -> list[EncodedFrame]:
        return [
            EncodedFrame(film[u.start : u.end], u.is_key, n * 100, n * 100 + 30)
            for n, u in enumerate(access_units(nal_units(film)))
        ]

    def cut(self, film: bytes, frames_per_clip: int = 15):
        cutter = Cutter(frames_per_clip)
        clips = [cutter.add(frame) for frame in self.frames(film)]
        return [clip for clip in clips if clip is not None]

    def test_no_frame_is_dropped_between_clips(self):
        film = stream(61)
        clips = self.cut(film)
        assert film.startswith(b"".join(clip.data for clip in clips))
        assert [clip.frames for clip in clips] == [15] * 4

    def test_times_are_those_of_the_first_and_the_last_frame(self):
        clips = self.cut(stream(31))
        assert [(clip.start_ns, clip.end_ns) for clip in clips] == [(0, 1430), (1500, 2930)]

    def test_key_frames_that_come_early_do_not_cut_short(self):
        assert [clip.frames for clip in self.cut(stream(81, key_every=10))] == [20] * 4

    def test_frames_before_the_first_key_frame_are_left_out(self):
        cutter = Cutter(1)
        assert cutter.add(EncodedFrame(b"x", False, 0, 1)) is None
        key = EncodedFrame(stream(1), True, 2, 3)
        assert cutter.add(key) is None
        assert cutter.add(key).data == stream(1)

    def test_parameter_sets_given_once_are_repeated(self):
        clips = self.cut(stream(61, repeat_headers=False))
        assert all(clip.data.startswith(SPS + PPS) for clip in clips)


class TestPiCamera:
    def record(self, monkeypatch: pytest.MonkeyPatch, film: bytes, count: int, **options):
        camera = fake.install(monkeypatch, film, speed=40)
        stop = Event()
        clips = []
        with open_source("picamera", SourceOptions(**options)) as source:
            for clip in source.clips(stop):
                clips.append(clip)
                if len(clips) == count:
                    break
        return clips, camera.opened[0]

    def test_clips_put_together_are_what_the_camera_saw(self, monkeypatch: pytest.MonkeyPatch):
        film = stream(100)
        clips, _ = self.record(monkeypatch, film, 6)
        assert b"".join(clip.data for clip in clips) == film[: sum(len(c.data) for c in clips)]
        assert [clip.frames for clip in clips] == [15] * 6

    def test_one_camera_and_one_encoder_run_through_all_clips(self, monkeypatch):
        _, camera = self.record(monkeypatch, stream(100), 5)
        assert camera.calls == ["start_recording", "stop_recording", "close"]

    def test_times_come_from_the_sensor(self, monkeypatch: pytest.MonkeyPatch):
        clips, camera = self.record(monkeypatch, stream(100), 4)
        first_ns = camera._encoder.firsttimestamp * 1000
        assert clips[0].start_ns == first_ns - fake.EXPOSURE_US * 1000
        frame_ns = 1e9 / 30 / 40
        for before, after in pairwise(clips):
            assert abs(after.start_ns - before.start_ns - 15 * frame_ns) < 2_000
        assert abs(clips[0].end_ns - first_ns - 14 * frame_ns) < 2_000

    @pytest.mark.parametrize(("clip_seconds", "iperiod"), [(0.3, 9), (0.5, 15), (2.0, 60)])
    def test_the_encoder_makes_a_key_frame_every_clip(self, monkeypatch, clip_seconds, iperiod):
        film = stream(140, key_every=iperiod)
        clips, camera = self.record(
            monkeypatch, film, 1, clip_seconds=clip_seconds, width=320, height=240, bitrate=10**6
        )
        encoder = camera._encoder
        assert (encoder.iperiod, encoder.repeat, encoder.bitrate) == (iperiod, True, 10**6)
        assert clips[0].frames == iperiod
        assert camera.camera_config["main"]["size"] == (320, 240)
        assert camera.camera_config["controls"] == {"FrameRate": 30.0}

    def test_stop_ends_it_and_gives_the_camera_back(self, monkeypatch: pytest.MonkeyPatch):
        camera = fake.install(monkeypatch, stream(3000))
        stop = Event()
        with open_source("picamera", OPTIONS) as source:
            for _ in source.clips(stop):
                stop.set()
        assert camera.opened[0].calls == ["start_recording", "stop_recording", "close"]

    def test_a_silent_camera_is_told_not_waited_for(self, monkeypatch: pytest.MonkeyPatch):
        camera = fake.install(monkeypatch, b"")
        monkeypatch.setattr(camera, "silent", True)
        monkeypatch.setattr(picamera_module, "SILENCE_S", 0.3)
        with (
            open_source("picamera", OPTIONS) as source,
            pytest.raises(SourceError, match="ribbon cable"),
        ):
            next(source.clips(Event()))

    def test_a_camera_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch):
        fake.install(monkeypatch, b"")
        with pytest.raises(SourceError, match="camera 3 can't be opened"):
            open_source("picamera:3", OPTIONS)

    @pytest.mark.parametrize("spec", ["picamera:x", "picamera:-1", "picamera:1.5", "picamera:²"])
    def test_a_camera_that_is_no_number_is_one_line(self, spec: str):
        with pytest.raises(SourceError, match="named by a number"):
            open_source(spec, OPTIONS)

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("Failed to start encoder"),
            OSError(22, "Invalid argument"),
            ValueError("2304x1296 is too large"),
            KeyError("lores"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_an_encoder_that_refuses_is_one_line_with_what_it_takes(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ):
        camera = fake.install(monkeypatch, stream(100))
        monkeypatch.setattr(camera, "refuses", error)
        with (
            pytest.raises(SourceError, match="1920×1080") as raised,
            open_source("picamera", SourceOptions(width=2304, height=1296, fps=60)) as source,
        ):
            next(source.clips(Event()))
        assert "\n" not in str(raised.value)
        assert camera.opened[0].calls[-1] == "close"

    def test_a_configuration_that_is_refused_gives_the_camera_back(self, monkeypatch):
        camera = fake.install(monkeypatch, stream(100))

        def configure(self, camera_config=None):
            raise RuntimeError("lores stream larger than main")

        monkeypatch.setattr(camera, "configure", configure)
        with pytest.raises(SourceError, match="does not take 640×480"):
            open_source("picamera", OPTIONS)
        assert camera.opened[0].calls == ["close"]

    def test_a_stop_that_never_returns_holds_nothing_up(self, monkeypatch, capsys):
        camera = fake.install(monkeypatch, stream(3000), speed=40)
        monkeypatch.setattr(camera, "never_stops", True)
        monkeypatch.setattr(picamera_module, "STOP_S", 0.1)
        # Its own, or the next program that ends in this process would end the tests with it.
        monkeypatch.setattr(stopping, "_hanging", [])
        with open_source("picamera", OPTIONS) as source:
            clips = source.clips(Event())
            assert next(clips).frames == 15
            clips.close()
        assert "does not stop" in capsys.readouterr().err
        assert len(stopping._hanging) == 1

    @pytest.mark.parametrize(
        ("lens", "focus_m", "wanted"),
        [
            (True, None, {"AfMode": 2}),
            (True, 0.5, {"AfMode": 0, "LensPosition": 2.0}),
            (True, float("inf"), {"AfMode": 0, "LensPosition": 0.0}),
            (False, None, {}),
        ],
    )
    def test_a_lens_that_can_focus_does(self, monkeypatch, lens, focus_m, wanted):
        camera = fake.install(monkeypatch, b"")
        if lens:
            lens_controls = {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}
            monkeypatch.setattr(camera, "camera_controls", lens_controls)
        with open_source("picamera", SourceOptions(focus_m=focus_m)):
            controls = camera.opened[0].camera_config["controls"]
        assert controls == {"FrameRate": 30.0} | wanted

    def test_a_fixed_lens_can_not_be_held_at_a_distance(self, monkeypatch):
        fake.install(monkeypatch, b"")
        with pytest.raises(SourceError, match="fixed lens"):
            open_source("picamera", SourceOptions(focus_m=1.0))

    def test_a_camera_upside_down_is_turned_by_its_own_processor(self, monkeypatch):
        camera = fake.install(monkeypatch, b"")
        libcamera = ModuleType("libcamera")
        libcamera.Transform = lambda **turns: turns
        monkeypatch.setitem(sys.modules, "libcamera", libcamera)
        with open_source("picamera", SourceOptions(rotation=180)):
            assert camera.opened[0].camera_config["transform"] == {"hflip": 1, "vflip": 1}
        with open_source("picamera", OPTIONS):
            assert camera.opened[1].camera_config["transform"] is None

    @pytest.mark.parametrize("degrees", ["90", "270"])
    def test_a_quarter_turn_is_refused_with_the_reason(self, degrees: str):
        with pytest.raises(argparse.ArgumentTypeError, match="turn the camera"):
            rotation(degrees)

    @pytest.mark.parametrize("text", ["0", "-1", "nan", "0.001"])
    def test_a_focus_that_no_lens_has_is_refused(self, text: str):
        with pytest.raises(argparse.ArgumentTypeError):
            focus(text)

    def test_only_the_pi_camera_turns_and_focuses(self):
        for spec in ("webcam", "film.h264"):
            with pytest.raises(SourceError, match="for picamera"):
                open_source(spec, SourceOptions(rotation=180))

    def test_without_picamera2_the_hint_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "picamera2", None)
        with pytest.raises(SourceError, match="python3-picamera2"):
            open_source("picamera", OPTIONS)


class TestFakeAgainstPicamera2:
    """The fake has picamera2's own signatures, read from its sources."""

    FAKES = (fake.Picamera2, fake.H264Encoder, fake.Output, fake.CompletedRequest)

    @pytest.mark.parametrize("method", [m for m in KNOWN["methods"] if "Libav" not in m])
    def test_signatures_are_the_real_ones(self, method: str):
        owner, _, name = method.partition(".")
        (klass,) = (klass for klass in self.FAKES if klass.__name__ == owner)
        parameters = list(inspect.signature(getattr(klass, name)).parameters.values())[1:]
        real = KNOWN["methods"][method]
        assert [parameter.name for parameter in parameters] == list(real)
        for parameter in parameters:
            default = real[parameter.name]
            assert (parameter.default is inspect.Parameter.empty) == (default is None)
            if default is not None and not default.startswith("libcamera"):
                assert repr(parameter.default) == default.replace('"', "'")

    @pytest.mark.parametrize("encoder", ["H264Encoder", "LibavH264Encoder"])
    def test_both_encoders_take_what_we_pass(self, encoder: str):
        """On a Pi 5 picamera2 puts the software encoder in the hardware one's place."""
        assert {"bitrate", "repeat", "iperiod", "framerate"} <= set(
            KNOWN["methods"][f"{encoder}.__init__"]
        )


class TestWebcam:
    """PyAV is in the lab's environment; its test picture stands in for a camera."""

    def source(self, seconds: float = 2, **options) -> WebcamSource:
        pytest.importorskip("av")
        picture = f"testsrc=size=320x240:rate=30:duration={seconds}"
        return WebcamSource(SourceOptions(**options), device=picture, input_format="lavfi")

    def test_clips_decode_alone(self):
        av = pytest.importorskip("av")
        clips = list(self.source(clip_seconds=0.3).clips(Event()))
        assert [clip.frames for clip in clips] == [9] * 6
        for clip in clips:
            decoder = av.CodecContext.create("h264", "r")
            packets = [*decoder.parse(clip.data), *decoder.parse(b"")]
            frames = [frame for packet in packets for frame in decoder.decode(packet)]
            assert len(frames) + len(decoder.decode(None)) == 9

    def test_one_key_frame_a_clip(self):
        for clip in self.source().clips(Event()):
            assert [unit.is_key for unit in access_units(nal_units(clip.data))] == [True] + [
                False
            ] * 14

    def test_a_webcam_that_is_not_there_is_named(self):
        pytest.importorskip("av")
        with pytest.raises(SourceError, match="/dev/video99"):
            open_source("webcam:99", OPTIONS)

    def test_a_webcam_that_is_unplugged_is_one_line(self, monkeypatch: pytest.MonkeyPatch):
        source = self.source()

        class Unplugged:
            def decode(self, video: int):
                yield from ()
                raise OSError(19, "No such device")

        monkeypatch.setattr(source, "_input", Unplugged())
        with pytest.raises(SourceError, match="plugged in"):
            list(source.clips(Event()))

    def test_without_pyav_the_hint_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(SourceError, match="requirements-webcam"):
            open_source("webcam", OPTIONS)
