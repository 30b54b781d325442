from __future__ import annotations

import json
import signal
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from device import pictures
from device.portraits.choosing import Portrait, Refused, Rules, Session, choose
from device.portraits.decoding import ClipUndecodable, DecoderMissing, Picture, Square, pictures_of
from device.portraits.faces import FoundFace, NoFaceFinder
from tests.fakes.h264 import stream

av = pytest.importorskip("av")
np = pytest.importorskip("numpy")

RULES = Rules(min_face_px=80, min_sharpness=40)
FACE = FoundFace(top=100, right=250, bottom=250, left=100)


def picture(pixels: np.ndarray) -> Picture:
    return Picture(av.VideoFrame.from_ndarray(pixels, format="rgb24"))


def noise(width: int = 641, height: int = 479, seed: int = 0) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 255, (height // 4 + 1, width // 4 + 1, 3))
    return np.kron(blocks, np.ones((4, 4, 1)))[:height, :width].astype(np.uint8)


SHARP = picture(noise())
FLAT = picture(np.tile(np.linspace(0, 255, 640, dtype=np.uint8)[None, :, None], (480, 1, 3)))


def test_a_crop_is_the_wanted_part_of_a_picture_of_odd_width():
    pixels = noise()
    crop = SHARP.cut_out(Square(left=101, top=50, side=160), 160)
    assert (crop.rgb() == pixels[50:210, 101:261]).all()


def test_png_gives_back_the_very_pixels():
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(SHARP.png())) as image:
        assert (np.asarray(image) == noise()).all()


def test_sharpness_tells_sharp_from_smooth_and_does_not_mind_the_dark():
    assert SHARP.sharpness() > 100 > 10 > FLAT.sharpness()
    dark = picture((noise() * 0.2).astype(np.uint8))
    assert dark.sharpness() == pytest.approx(SHARP.sharpness(), rel=0.2)


@pytest.mark.parametrize(
    "face",
    [
        FACE,
        FoundFace(top=0, right=100, bottom=120, left=0),
        FoundFace(top=380, right=640, bottom=479, left=560),
        FoundFace(top=-10, right=700, bottom=500, left=-20),
    ],
)
def test_a_crop_lies_in_the_picture_wherever_the_face_is(face: FoundFace):
    square = face.crop(640, 480)
    assert square.left >= 0
    assert square.top >= 0
    assert square.left + square.side <= 640
    assert square.top + square.side <= 480


class TestChoosing:
    def choose(self, faces: list[FoundFace], found_in: Picture = SHARP):
        return choose([found_in] * 15, lambda picture: faces, RULES)

    def test_one_clear_face_is_taken_whole_and_as_160_px_crop(self):
        portrait = self.choose([FACE])
        assert isinstance(portrait, Portrait)
        assert (portrait.original.width, portrait.original.height) == (641, 479)
        assert (portrait.crop.width, portrait.crop.height) == (160, 160)

    @pytest.mark.parametrize(
        ("faces", "words"),
        [
            ([], "no face"),
            ([FoundFace(0, 640, 480, 0, turned_by=180)], "by 180 degrees"),
            ([FACE, FACE], "2 faces"),
            ([FoundFace(0, 50, 50, 0)], "50 px high"),
        ],
    )
    def test_what_is_wrong_is_said_to_the_person(self, faces: list[FoundFace], words: str):
        refused = self.choose(faces)
        assert isinstance(refused, Refused)
        assert words in refused.reason

    def test_a_blurred_face_is_not_taken(self):
        refused = self.choose([FACE], FLAT)
        assert isinstance(refused, Refused)
        assert "hold still" in refused.reason

    def test_a_clip_with_one_good_picture_gives_it(self):
        looked: list[Picture] = []

        def find(seen: Picture) -> list[FoundFace]:
            looked.append(seen)
            return [FACE] if len(looked) == 2 else []

        assert isinstance(choose([SHARP] * 15, find, RULES), Portrait)

    def test_without_a_face_finder_whole_sharp_pictures_are_kept(self):
        portrait = choose([SHARP], None, RULES)
        assert isinstance(portrait, Portrait)
        assert portrait.crop is None
        assert isinstance(choose([FLAT], None, RULES), Refused)


def test_numbers_go_on_where_an_earlier_run_of_the_session_ended(tmp_path: Path):
    for expected in ("0001.png", "0002.png"):
        path = Session(tmp_path, "Ada Lovelace", "monday").save(Portrait(SHARP, SHARP))
        assert path == tmp_path / "ada-lovelace" / "monday" / "originals" / expected
    assert (tmp_path / "ada-lovelace" / "monday" / "crops" / "0002.png").exists()


def test_pictures_of_people_are_nobody_else_s_to_see(tmp_path: Path):
    Session(tmp_path / "data", "Ada Lovelace", "monday").save(Portrait(SHARP, SHARP))
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_clip_that_can_not_be_decoded_is_told():
    with pytest.raises(ClipUndecodable):
        list(pictures_of(stream(5)))


def test_what_is_broken_in_a_clip_costs_no_picture_behind_it():
    assert len(list(pictures_of(stream(5) + encoded(3)))) == 3


def test_without_pyav_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DecoderMissing, match="requirements-webcam"):
        list(pictures_of(b""))


class TestCommand:
    @pytest.fixture(autouse=True)
    def keep_the_signal_handlers(self):
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        yield
        for number, handler in kept.items():
            signal.signal(number, handler)

    def run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple:
        film = tmp_path / "film.h264"
        film.write_bytes(encoded(60))
        where = ["--from-clip", str(film), "--data", str(tmp_path / "data")]
        fixed = ["--name", "Ada Lovelace", "--session", "monday", "--json"]
        status = pictures.main([*fixed, *where, *arguments])
        lines = capsys.readouterr().out.splitlines()
        return status, [json.loads(line) for line in lines]

    def test_pictures_are_collected_from_a_clip_faster_than_it_plays(
        self, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(pictures, "lab_face_finder", lambda: lambda picture: [FACE])
        status, events = self.run(tmp_path, capsys, "--count", "3")
        assert status == 0
        assert events[-1]["saved"] == 3
        assert [one["number"] for one in events if one["event"] == "picture"] == [1, 2, 3]
        names = sorted(p.relative_to(tmp_path / "data") for p in (tmp_path / "data").rglob("*.png"))
        assert [str(name) for name in names] == [
            f"ada-lovelace/monday/{kind}/000{n}.png"
            for kind in ("crops", "originals")
            for n in (1, 2, 3)
        ]

    def test_second_person_of_one_name_has_a_folder_of_their_own(
        self, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(pictures, "lab_face_finder", lambda: lambda picture: [FACE])
        status, _ = self.run(tmp_path, capsys, "--count", "1", "--person-id", "ada-lovelace-2")
        assert status == 0
        assert [folder.name for folder in (tmp_path / "data").iterdir()] == ["ada-lovelace-2"]

    @pytest.mark.parametrize("wrong", [("--person-id", "../x"), ("--name", "!!!"), ("--name", "")])
    def test_nobody_s_pictures_are_put_where_no_person_s_belong(self, tmp_path, capsys, wrong):
        with pytest.raises(SystemExit):
            self.run(tmp_path, capsys, *wrong)
        assert not (tmp_path / "data").exists()

    def test_a_clip_that_is_not_there_is_one_line(self, tmp_path: Path, capsys):
        missing = tmp_path / "none.h264"
        who = ["--name", "Ada Lovelace", "--data", str(tmp_path / "data"), "--no-face-check"]
        assert pictures.main([*who, "--from-clip", str(missing)]) == 2
        (line,) = capsys.readouterr().err.splitlines()[:1]
        assert line.startswith("error: ")
        assert str(missing) in line

    def test_a_moment_that_can_not_be_decoded_is_not_taken(self, tmp_path, capsys, monkeypatch):
        def broken(*_: object) -> None:
            raise ClipUndecodable("no picture")

        monkeypatch.setattr(pictures, "choose", broken)
        status, events = self.run(tmp_path, capsys, "--no-face-check")
        assert status == 1
        assert {one["reason"] for one in events if one["event"] == "refused"} == {"no picture"}

    def test_too_few_good_moments_are_not_called_success(
        self, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(pictures, "lab_face_finder", lambda: lambda picture: [])
        status, events = self.run(tmp_path, capsys)
        assert status == 1
        assert events[-1] == {**events[-1], "saved": 0, "refused": 4}

    def test_without_the_lab_s_eyes_it_says_so_and_keeps_whole_pictures(
        self, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
    ):
        def missing():
            raise NoFaceFinder("not installed here")

        monkeypatch.setattr(pictures, "lab_face_finder", missing)
        status, events = self.run(tmp_path, capsys, "--count", "2")
        assert status == 0
        assert events[0]["event"] == "no_face_check"
        assert not (tmp_path / "data/ada-lovelace/monday/crops").exists()


def test_a_person_is_told_that_no_face_is_looked_for(monkeypatch: pytest.MonkeyPatch, capsys):
    def missing():
        raise NoFaceFinder("not installed here")

    monkeypatch.setattr(pictures, "lab_face_finder", missing)
    assert pictures._face_finder(pictures.Console()) is None
    assert "No face check: not installed here" in capsys.readouterr().out


def encoded(frames: int) -> bytes:
    """A real H.264 film of noise, a key frame every 15 pictures."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuv420p"
    encoder.time_base = Fraction(1, 30)
    x264 = "keyint=15:scenecut=0:repeat-headers=1"
    encoder.options = {"preset": "ultrafast", "x264-params": x264}
    packets = []
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(noise(640, 480, number), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    return b"".join(bytes(packet) for packet in [*packets, *encoder.encode(None)])
