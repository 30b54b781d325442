"""The stand-in for the old `picamera`: programs of its years run unchanged, with a film."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

from contract.annexb import access_units, nal_units
from device.stand_ins.film import Film, Recording
from scripts.paths import ROOT
from tests.conftest import wait_until

STAND_INS = ROOT / "device" / "stand_ins"


@pytest.fixture
def picamera(monkeypatch):
    monkeypatch.syspath_prepend(str(STAND_INS))
    for name in ("picamera", "picamera.array"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import picamera
    import picamera.array

    yield picamera
    for name in ("picamera", "picamera.array"):
        sys.modules.pop(name, None)


def frames(data: bytes) -> list:
    return list(access_units(nal_units(data)))


def film(fps: float = 30.0, group: int = 5, groups: int = 4) -> Film:
    """A film of words: each begins with its number, key frames in capitals."""
    names = tuple((b"K%d;" if at % group == 0 else b"f%d;") % at for at in range(group * groups))
    return Film(names, tuple(range(0, group * groups, group)), fps)


def test_clips_of_a_loop_are_the_film_cut_at_key_frames(picamera, tmp_path):
    """The course's loop: record_sequence with wait_recording(0.5), half a second each."""
    names = [str(tmp_path / f"{number}.h264") for number in range(3)]
    with picamera.PiCamera() as camera:
        camera.resolution = (640, 480)
        camera.framerate = 30
        for _ in camera.record_sequence(names):
            camera.wait_recording(0.5)
    clips = [Path(name).read_bytes() for name in names]
    whole = b"".join(clips)
    assert (ROOT / "fixtures" / "lab.h264").read_bytes().startswith(whole)
    for clip in clips:
        assert frames(clip)[0].is_self_contained
    assert all(len(frames(clip)) >= 15 for clip in clips[:2])


def test_cut_that_comes_a_little_late_is_made_at_the_key_frame_before(monkeypatch):
    clock = Clock(monkeypatch)
    first, second = io.BytesIO(), io.BytesIO()
    recording = Recording(film(fps=10), 0, first)
    clock.now = 0.65  # the second group began at 0.5
    recording.split(second)
    assert first.getvalue() == b"K0;f1;f2;f3;f4;"
    clock.now = 0.85
    recording.stop()
    assert second.getvalue() == b"K5;f6;f7;"


def test_cut_waits_for_a_key_frame_that_is_ahead(monkeypatch):
    clock = Clock(monkeypatch, step=0.01)
    first, second = io.BytesIO(), io.BytesIO()
    recording = Recording(film(fps=10), 0, first)
    clock.now = 0.3
    recording.split(second)
    assert first.getvalue() == b"K0;f1;f2;f3;f4;"
    recording.stop()


def test_film_begins_again_after_its_end(monkeypatch):
    clock = Clock(monkeypatch)
    output = io.BytesIO()
    recording = Recording(film(fps=10, groups=2), 5, output)
    clock.now = 0.75
    recording.stop()
    assert output.getvalue() == b"K5;f6;f7;f8;f9;K0;f1;"


class Clock:
    """The recording's time; with `step` each look moves it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: float = 0.0):
        self.now = 0.0
        self._step = step
        monkeypatch.setattr("device.stand_ins.film.time.monotonic", self)

    def __call__(self) -> float:
        self.now += self._step
        return self.now


def test_what_an_output_raises_reaches_the_program(picamera):
    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

    camera = picamera.PiCamera()
    camera.start_recording(Full(), format="h264")
    with pytest.raises(OSError, match="No space left"):
        camera.wait_recording(10)


def test_pictures_are_decoded_from_the_film(picamera, tmp_path):
    from PIL import Image

    with picamera.PiCamera() as camera:
        camera.start_preview()
        camera.capture(str(tmp_path / "one.jpg"), use_video_port=True)
        with picamera.array.PiRGBArray(camera) as stream:
            camera.capture(stream, "bgr")
            assert stream.array.shape == (480, 640, 3)
            assert stream.array.std() > 10
        pattern = str(tmp_path / "many-{counter:02d}.png")
        for name in camera.capture_continuous(pattern):
            if name.endswith("02.png"):
                break
    with Image.open(tmp_path / "one.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 480))
    assert sorted(path.name for path in tmp_path.glob("many-*")) == ["many-01.png", "many-02.png"]


def test_wrong_calls_raise_what_the_original_raises(picamera, tmp_path):
    camera = picamera.PiCamera()
    with pytest.raises(picamera.PiCameraNotRecording):
        camera.wait_recording(1)
    camera.start_recording(str(tmp_path / "a.h264"))
    with pytest.raises(picamera.PiCameraRuntimeError, match="already recording"):
        camera.start_recording(str(tmp_path / "b.h264"))
    with pytest.raises(AttributeError):
        camera.resolutoin = (1, 1)
    camera.close()
    with pytest.raises(picamera.PiCameraClosed):
        camera.start_recording(str(tmp_path / "c.h264"))
    with pytest.raises(picamera.PiCameraValueError):
        picamera.PiCamera().start_recording(str(tmp_path / "d.mjpeg"))


def test_recording_goes_on_while_the_program_does_other_things(picamera):
    output = io.BytesIO()
    with picamera.PiCamera() as camera:
        camera.start_recording(output, format="h264")
        began = time.monotonic()
        wait_until(lambda: len(frames(output.getvalue())) >= 3, 10, "three frames")
        assert time.monotonic() - began >= 0.1  # no faster than the film
        camera.stop_recording()


def test_film_that_is_none_is_named(picamera, tmp_path, monkeypatch):
    (tmp_path / "empty.h264").write_bytes(b"")
    monkeypatch.setenv("FACELAB_FILM", str(tmp_path / "empty.h264"))
    with pytest.raises(picamera.PiCameraError, match=r"empty\.h264"):
        picamera.PiCamera()
