import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from contract.annexb import AccessUnit, NalType, nal_units
from recognition.decode import Clip
from recognition.settings import Settings
from training.clips import UnreadableVideo, clips_of, read_clips
from training.dataset import DatasetError

FIXTURES = Path(__file__).parents[3] / "fixtures"


def write_video(path, *, frames=30, size=(321, 241), codec="mpeg4", rate=30, pix_fmt="yuv420p"):
    """A gray that brightens frame by frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = (side // 2 * 2 for side in size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for index in range(frames):
            gray = np.full((height, width, 3), min(20 + 6 * index, 200), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def brightness(clip):
    frame = next(Clip(clip, Settings()).frames(1))
    return frame.to_rgb().mean()


def test_a_recording_is_cut_at_key_frames_without_a_change():
    recording = FIXTURES / "lab.h264"
    clips = clips_of(recording)
    assert len(clips) == len(json.loads((FIXTURES / "truth.json").read_text())["clips"])
    for clip in clips[:3]:
        assert len(list(Clip(clip, Settings()).frames(15))) == 15


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_any_video_becomes_clips_of_half_a_second(tmp_path, name, codec, pix_fmt):
    clips = clips_of(write_video(tmp_path / name, codec=codec, pix_fmt=pix_fmt))
    assert len(clips) == 2
    first, second = (brightness(clip) for clip in clips)
    assert first == pytest.approx(20, abs=8)
    assert second == pytest.approx(110, abs=8)


def test_parameter_sets_that_come_once_are_repeated(tmp_path):
    units = list(nal_units((FIXTURES / "lab.h264").read_bytes()[:400_000]))
    sets = [unit for unit in units if unit.type in (NalType.SPS, NalType.PPS)]
    assert len(sets) > 4
    others = [unit for unit in units if unit.type not in (NalType.SPS, NalType.PPS)]
    stream = AccessUnit((*sets[:2], *others)).to_bytes()
    (tmp_path / "once.h264").write_bytes(stream)
    clips = clips_of(tmp_path / "once.h264")
    assert len(clips) == len(sets) // 2
    assert all(brightness(clip) > 0 for clip in clips)


@pytest.mark.parametrize("data", [b"", b"no video at all", b"\x00\x00\x01" * 50])
@pytest.mark.parametrize("name", ["broken.h264", "broken.mp4", "broken.avi"])
def test_a_broken_video_is_named(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UnreadableVideo, match="broken"):
        clips_of(tmp_path / name)


def test_folders_tell_people_strangers_and_nobody(tmp_path):
    for folder in ("Ada L", "Somebody Else", "nobody"):
        write_video(tmp_path / folder / "one.avi", frames=15, size=(64, 48))
    (tmp_path / "Ada L" / "broken.mp4").write_bytes(b"x")
    clips, failed = read_clips(tmp_path, {"ada-l"})
    assert {clip.name.split("/")[0]: (clip.visible, clip.strangers) for clip in clips} == {
        "Ada L": (("ada-l",), 0),
        "Somebody Else": ((), 1),
        "nobody": ((), 0),
    }
    assert [path.name for path in failed] == ["broken.mp4"]


def test_videos_in_no_folder_are_told_by_their_names(tmp_path):
    for name in ("ada_2", "ada-l 1", "stranger7", "nobody", "Adam"):
        write_video(tmp_path / f"{name}.avi", frames=3, size=(64, 48))
    clips, failed = read_clips(tmp_path, {"ada", "ada-l"})
    assert {clip.name: (clip.visible, clip.strangers) for clip in clips} == {
        "ada_2.avi#0": (("ada",), 0),
        "ada-l 1.avi#0": (("ada-l",), 0),
        "stranger7.avi#0": ((), 1),
        "nobody.avi#0": ((), 0),
    }
    assert [path.name for path in failed] == ["Adam.avi"]


def test_a_recording_needs_a_truth_that_fits(tmp_path):
    (tmp_path / "lab.h264").write_bytes((FIXTURES / "lab.h264").read_bytes())
    with pytest.raises(DatasetError, match=r"truth\.json"):
        read_clips(tmp_path / "lab.h264", set())
    (tmp_path / "truth.json").write_text('{"clips": [{"visible": [], "strangers": 0}]}')
    with pytest.raises(DatasetError, match="1"):
        read_clips(tmp_path, set())


def test_a_large_video_is_made_smaller(tmp_path):
    big = write_video(tmp_path / "big.avi", frames=2, size=(2560, 1440))
    frame = next(Clip(clips_of(big)[0], Settings()).frames(1))
    assert frame.to_rgb().shape == (720, 1280, 3)
    assert cv2.countNonZero(frame.to_rgb()[..., 0]) > 0
