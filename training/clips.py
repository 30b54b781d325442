"""Recorded videos of any kind, as the clips that a camera would have sent.

Annex-B files are cut at key frames as they are. Anything else that FFmpeg's libraries read
is encoded as the lab's cameras do it: H.264 with a key frame every half second.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from contract.annexb import AccessUnit, NalType, NalUnit, access_units, nal_units
from contract.people import InvalidName, person_id_of
from pictures import Refusal, files_below
from training.dataset import DatasetError

SUFFIXES = (".h264", ".264", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mjpeg")
CLIP_SECONDS = 0.5
NOBODY = "nobody"
_LARGEST_SIDE_PX = 1280
_MAX_SECONDS = 600


class UnreadableVideo(DatasetError):
    """A file that has a video's name but no pictures in it."""


class UnlabeledVideo(DatasetError):
    """Nothing tells who is in a video."""


@dataclass(frozen=True)
class LabeledClip:
    """A clip, Annex-B bytes, and who is in it: `visible` are person ids, `strangers` counts
    people who are nobody in the gallery. Neither: nobody is there."""

    name: str
    data: bytes
    visible: tuple[str, ...]
    strangers: int = 0


def clips_of(path: Path) -> list[bytes]:
    """The clips of a video file, each with its own parameter sets.

    Raises
    ------
    UnreadableVideo
    """
    data = path.read_bytes()
    try:
        if path.suffix.lower() not in (".h264", ".264"):
            data = _as_annex_b(path)
        clips = list(_cut(data))
    except (av.FFmpegError, ValueError, OSError) as error:
        raise UnreadableVideo(f"{path}: {error}") from error
    if not clips:
        raise UnreadableVideo(f"{path}: no key frame in it")
    return clips


def _cut(stream: bytes) -> Iterator[bytes]:
    """One clip for each key frame; parameter sets that come once are repeated."""
    sets: dict[int, bytes] = {}
    clip: list[AccessUnit] = []
    pictures = access_units(nal_units(stream))
    for picture in pictures:
        if picture.is_key and clip:
            yield _whole(clip, sets)
            clip = []
        for unit in picture.units:
            if unit.type in (NalType.SPS, NalType.PPS):
                sets[unit.type] = unit.data
        if picture.is_key or clip:
            clip.append(picture)
    if clip:
        yield _whole(clip, sets)


def _whole(clip: list[AccessUnit], sets: dict[int, bytes]) -> bytes:
    present = {unit.type for unit in clip[0].units}
    missing = tuple(
        NalUnit(sets[kind])
        for kind in (NalType.SPS, NalType.PPS)
        if kind in sets and kind not in present
    )
    first = AccessUnit((*missing, *clip[0].units))
    return b"".join(picture.to_bytes() for picture in (first, *clip[1:]))


def _as_annex_b(path: Path) -> bytes:
    target = io.BytesIO()
    with av.open(str(path)) as source, av.open(target, "w", format="h264") as encoded:
        if not source.streams.video:
            raise UnreadableVideo(f"{path}: no video stream")
        video = source.streams.video[0]
        rate = Fraction(video.average_rate or 30).limit_denominator(1000)
        rate = min(max(rate, Fraction(1)), Fraction(60))
        width, height = _fitting(video.width, video.height)
        gop = max(1, round(CLIP_SECONDS * rate))
        stream = encoded.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        stream.options = {
            "crf": "18",
            "preset": "veryfast",
            "tune": "zerolatency",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1",
        }
        for index, frame in enumerate(source.decode(video)):
            if index >= _MAX_SECONDS * rate:
                break
            # Motion JPEG has the full range of values, H.264 is decoded as if it had not.
            picture = frame.reformat(width, height, "yuv420p", dst_color_range=ColorRange.MPEG)
            picture.pts, picture.time_base = index, 1 / rate
            # The source's picture types would force its key frames upon ours.
            picture.pict_type = PictureType.NONE
            for packet in stream.encode(picture):
                encoded.mux(packet)
        for packet in stream.encode(None):
            encoded.mux(packet)
    return target.getvalue()


def _fitting(width: int, height: int) -> tuple[int, int]:
    """Even sides (the color planes have half of them), none over the limit."""
    scale = min(1.0, _LARGEST_SIDE_PX / max(width, height))
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def read_clips(path: Path, people: set[str]) -> tuple[list[LabeledClip], dict[Path, str]]:
    """Labeled clips, and why some files gave none.

    `path` is a recording with a `truth.json` beside it, as the fixture has, or a folder with
    a folder per person; folders of people not in `people` hold strangers, `nobody` holds
    empty scenes. Videos in no folder are told by how their names begin: with a person's,
    or with `stranger` or `nobody`.

    Raises
    ------
    DatasetError
        When there is neither.
    """
    if path.is_file():
        return _with_truth(path), {}
    below = list(files_below(path))
    files = sorted(one for one in below if isinstance(one, Path) and one.suffix.lower() in SUFFIXES)
    truth = path / "truth.json"
    if truth.is_file() and len(files) == 1:
        return _with_truth(files[0]), {}
    clips: list[LabeledClip] = []
    failed = {path / one.source: one.reason for one in below if isinstance(one, Refusal)}
    for file in files:
        inner = file.relative_to(path).parts
        try:
            visible, strangers = _named_by_path(file, inner, people)
            clips += [
                LabeledClip(f"{'/'.join(inner)}#{index}", data, visible, strangers)
                for index, data in enumerate(clips_of(file))
            ]
        except DatasetError as error:
            failed[file] = str(error)
    if not clips:
        raise DatasetError(
            f"{path} holds no clips: expected CLIPS/<person>/<video>, or one recording "
            "with a truth.json"
        )
    return clips, failed


def _named_by_path(
    file: Path, inner: tuple[str, ...], people: set[str]
) -> tuple[tuple[str, ...], int]:
    """Who a video shows, (visible, strangers), from its folder, else from its own name."""
    if len(inner) > 1:
        (person,) = _ids_of(inner[0])[-1:] or ("",)
        visible = (person,) if person in people else ()
        return visible, int(not visible and person != NOBODY)
    begins = [person for person in _ids_of(file.stem) if person in people]
    if begins:
        return (begins[-1],), 0
    name = file.stem.casefold()
    if name.startswith((NOBODY, "stranger", "unknown")):
        return (), int(not name.startswith(NOBODY))
    raise UnlabeledVideo(f"{file}: neither its folder nor its name is a person's")


def _ids_of(text: str) -> list[str]:
    """The person ids that `text` begins with, word by word; the last is that of all of it."""
    ends = [match.start() for match in re.finditer(r"[\s_.()-]+", text)]
    ids = []
    for beginning in [*(text[:end] for end in ends), text]:
        with contextlib.suppress(InvalidName):
            ids.append(person_id_of(beginning))
    return ids


def _with_truth(recording: Path) -> list[LabeledClip]:
    try:
        truth = json.loads((recording.parent / "truth.json").read_text(encoding="utf-8"))["clips"]
        labels = [(tuple(clip["visible"]), int(clip["strangers"])) for clip in truth]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{recording} needs a truth.json beside it: {error!r}") from error
    clips = clips_of(recording)
    if len(clips) != len(labels):
        raise DatasetError(f"{recording} has {len(clips)} clips, truth.json tells of {len(labels)}")
    return [
        LabeledClip(f"{recording.name}#{index}", data, *label)
        for index, (data, label) in enumerate(zip(clips, labels, strict=True))
    ]
