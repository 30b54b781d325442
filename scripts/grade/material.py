"""What a workload is made of: pictures and videos cut from the fixture's film, with the truth."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from device.sources.fixture import cut_at_key_frames
from scripts.e2e.film import CLIP_FRAMES
from scripts.e2e.truth import ClipTruth, read_truth
from scripts.grade.course import Workload
from scripts.paths import ROOT

FIXTURES = ROOT / "fixtures"
FPS = 30
CLIPS_OF_LONG_VIDEO = 7  # 105 pictures: each tenth makes ten and one more
HARD = frozenset({"small", "dark", "tilted", "blurred"})
_THUMB = (64, 48)
SAME_PICTURE = 6.0
"""Mean difference (of 255) up to which two small gray pictures show the same."""


@dataclass(frozen=True)
class Piece:
    """One thing that is played. `person` is who is in it; `thumbs` its pictures, small and gray."""

    name: str
    body: bytes
    person: str = ""
    thumbs: tuple[np.ndarray, ...] = field(default=(), repr=False, compare=False)

    def shows(self, jpeg: bytes) -> bool:
        """Whether a picture is one of this video's."""
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            return False
        seen = _small(picture)
        return any(np.abs(seen - one).mean() <= SAME_PICTURE for one in self.thumbs)


def pieces(workload: Workload, count: int | None = None) -> list[Piece]:
    """The pieces of a workload, in its order; the same seed gives the same ones."""
    film = FixtureClips(FIXTURES / "lab.h264", FIXTURES / "truth.json")
    order = random.Random(workload.seed)  # noqa: S311  an order, no secret
    make: Callable[[int], Piece] = {
        "pictures": film.picture,
        "clips": film.clip,
        "videos": film.video,
        "long_videos": film.long_video,
    }[workload.material]
    choice = film.starts() if workload.material == "long_videos" else film.clear_clips()
    many = workload.count if count is None else count
    taken = in_turn(choice, many, order)
    made = {number: make(number) for number in set(taken)}
    return [
        Piece(f"test_{at:02d}", made[number].body, made[number].person, made[number].thumbs)
        for at, number in enumerate(taken)
    ]


def in_turn(groups: Sequence[Sequence[int]], many: int, order: random.Random) -> list[int]:
    """`many` numbers, each group's turn after another, shuffled within; over again at need."""
    shuffled = [order.sample(list(group), len(group)) for group in groups if group]
    taken = [group[at % len(group)] for at in range(many) for group in shuffled][:many]
    order.shuffle(taken)
    return taken


class FixtureClips:
    """The fixture, cut into its clips of half a second."""

    def __init__(self, film: Path, truth: Path):
        stream = film.read_bytes()
        self._clips = [
            cut.headers + stream[cut.start : cut.end]
            for cut in cut_at_key_frames(stream, CLIP_FRAMES)
        ]
        self._truth = read_truth(truth)

    def clear_clips(self) -> list[list[int]]:
        """Clips with one enrolled person in full view, by person."""
        clear = [one for one in self._truth if one.is_single_person and not HARD & set(one.tags)]
        people = sorted({one.visible[0] for one in clear})
        return [[one.index for one in clear if one.visible[0] == person] for person in people]

    def starts(self) -> list[list[int]]:
        """Where long videos may begin."""
        return [list(range(0, len(self._clips) - CLIPS_OF_LONG_VIDEO, 3))]

    def picture(self, number: int) -> Piece:
        """The first picture of a clip, as JPEG."""
        return Piece("", _jpeg(next(_pictures(self._clips[number]))), self._person(number))

    def clip(self, number: int) -> Piece:
        return Piece("", self._clips[number], self._person(number))

    def video(self, number: int) -> Piece:
        return self._video([self._clips[number]], self._person(number))

    def long_video(self, number: int) -> Piece:
        return self._video(self._clips[number : number + CLIPS_OF_LONG_VIDEO], "")

    def clips_in(self, recording: bytes) -> set[int]:
        """Which of the film's clips are in a recording, byte for byte."""
        return {at for at, clip in enumerate(self._clips) if clip in recording}

    def _video(self, clips: Sequence[bytes], person: str) -> Piece:
        thumbs = tuple(one for clip in clips for one in _thumbs(clip))
        return Piece("", _mp4(b"".join(clips)), person, thumbs)

    def _person(self, number: int) -> str:
        truth: ClipTruth = self._truth[number]
        return truth.visible[0]


def _pictures(clip: bytes) -> Iterator[av.VideoFrame]:
    with av.open(io.BytesIO(clip), "r", format="h264") as opened:
        yield from opened.decode(video=0)


@cache
def _thumbs(clip: bytes) -> tuple[np.ndarray, ...]:
    """A clip's pictures, small; long videos share clips."""
    return tuple(_small(picture.to_ndarray(format="gray")) for picture in _pictures(clip))


def _mp4(stream: bytes) -> bytes:
    """An H.264 stream in an MP4 file, as it is: nothing is encoded again."""
    made = io.BytesIO()
    with (
        av.open(io.BytesIO(stream), "r", format="h264") as source,
        av.open(made, "w", format="mp4") as target,
    ):
        track = target.add_stream_from_template(source.streams.video[0])
        beat = Fraction(1, FPS)
        for number, packet in enumerate(one for one in source.demux(video=0) if one.size):
            packet.stream, packet.time_base = track, beat
            packet.pts = packet.dts = number
            packet.duration = 1
            target.mux(packet)
    return made.getvalue()


def _jpeg(picture: av.VideoFrame) -> bytes:
    done, jpeg = cv2.imencode(".jpg", picture.to_ndarray(format="bgr24"))
    assert done  # noqa: S101  a picture of ours
    return jpeg.tobytes()


def _small(gray: np.ndarray) -> np.ndarray:
    return cv2.resize(gray, _THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)
