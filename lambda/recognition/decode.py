"""From a clip's bytes to pictures: in memory, only as many as are asked for, within bounds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import av
import numpy as np

from contract.results import Box
from contract.signatures import foreign_format
from recognition.errors import ClipTooLarge, EmptyClip, FrameTooLarge, NotH264, Undecodable
from recognition.parts import Group, ParameterSets, Parts, take_apart
from recognition.quality import sharpness_at
from recognition.settings import Settings

# libav prints concealment notices to stderr, which would be the function's log.
av.logging.set_level(av.logging.PANIC)


@dataclass(frozen=True)
class Frame:
    """A decoded picture: `index` counts coded pictures from the clip's start;
    `is_first` and `is_last` are among the frames that were asked for. `before` are the pictures
    just before it that had to be decoded on the way."""

    index: int
    is_first: bool
    is_last: bool
    picture: av.VideoFrame
    before: tuple[av.VideoFrame, ...] = ()

    def at_its_sharpest(self, faces: Sequence[Box]) -> Frame:
        """This frame with that of its own and the pictures before in which the faces at these
        places are sharpest: who moves, or a camera that does, is blurred in some and not in others.
        """
        pictures = (*self.before, self.picture)
        if len(pictures) == 1 or not faces:
            return self
        sharpest = max(pictures, key=lambda one: sharpness_at(_luma(one), faces))
        return self if sharpest is self.picture else replace(self, picture=sharpest, before=())

    def to_rgb(self) -> np.ndarray:
        """uint8 [height, width, 3]; some milliseconds of color conversion, the first time."""
        return self._rgb

    @cached_property
    def _rgb(self) -> np.ndarray:
        return self.picture.to_ndarray(format="rgb24")


def _luma(picture: av.VideoFrame) -> np.ndarray:
    """How bright it is, uint8 [height, width]; of what cameras send without a copy."""
    layout = picture.format
    if (
        not layout.name.startswith("yuv")
        or layout.components[0].bits != 8
        or len(picture.planes) < 3
    ):
        gray: np.ndarray = picture.to_ndarray(format="gray")
        return gray
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: picture.height, : picture.width]


class _OutOfTime(Exception):
    """Decoding has taken as long as it may."""


class _Damaged(Exception):
    """A group can't be decoded any further. `newest` is the last whole picture before that."""

    def __init__(self, why: str, index: int, newest: av.VideoFrame | None) -> None:
        super().__init__(why)
        self.index = index
        self.newest = newest


class Clip:
    """A checked clip, split into coded pictures but not decoded yet.

    Raises
    ------
    ClipRejected
        One of its subclasses, when the bytes can't be a clip or could harm the function.
    """

    def __init__(
        self, data: bytes, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not data:
            raise EmptyClip
        if len(data) > settings.max_clip_bytes:
            raise ClipTooLarge(len(data), settings.max_clip_bytes)
        if (found := foreign_format(data)) is not None:
            raise NotH264(found)
        self._settings = settings
        self._parts = take_apart(data, settings.max_frame_px)
        self._decoding = _Decoding(self._parts, settings, clock)
        self._damaged = 0
        self._cuts = list(self._parts.cuts)

    @property
    def pictures_seen(self) -> int:
        """Coded pictures in the clip."""
        return len(self._parts.pictures)

    @property
    def pictures_decoded(self) -> int:
        """How many of them came out of a decoder so far."""
        return self._decoding.pictures

    @property
    def key_frames(self) -> int:
        """How many there are. Much may change in a clip of several: it is a long one."""
        return len(self._parts.groups)

    @property
    def shortfall(self) -> str | None:
        """What of the clip was not looked at because it could not be; None if nothing."""
        told = list(self._cuts)
        if self._damaged:
            told.insert(0, f"{self._damaged} of {self.key_frames} parts of the clip are damaged")
        return "; ".join(told) or None

    def frames(self, count: int) -> Iterator[Frame]:
        """At most `count` frames, spread over the whole clip, the first key frame first.

        Key frames where there are enough of them: each costs one decoded picture. Decoding
        happens as the iterator advances. A damaged part costs what follows in it; the next
        key frame goes on. Only when no picture comes out of any part, it is an error.

        Raises
        ------
        Undecodable
            When no picture came out of any part, at the iterator's end.
        """
        wanted = self._spread(count)
        found, why = 0, ""
        while wanted and found < count:
            target = wanted.pop(0)
            group = self._group_of(target)
            index, picture = target, None
            before: list[av.VideoFrame] = []
            try:
                *before, picture = self._decoding.until(group, target)
            except _OutOfTime as limit:
                why = str(limit)
                self._cuts.append(why)
                wanted = []
                continue
            except _Damaged as damage:
                why, index, picture = str(damage), damage.index, damage.newest
                self._damaged += 1
                wanted = [later for later in wanted if later >= group.end]
                if group.end < self.pictures_seen and group.end not in wanted:
                    wanted.insert(0, group.end)
            if picture is not None:
                found += 1
                is_last = not wanted or found == count
                yield Frame(index, found == 1, is_last, picture, tuple(before))
        if not found:
            raise Undecodable(why)
        if found == count < self.key_frames:
            self._cuts.append(f"{count} of {self.key_frames} key frames were looked at")

    def _spread(self, count: int) -> list[int]:
        """Indices of at most `count` pictures, in order."""
        keys = np.array([group.start for group in self._parts.groups])
        last = self.pictures_seen - 1
        if count == 1:
            return [int(keys[0])]
        if len(keys) >= count:
            among = np.linspace(0, len(keys) - 1, count - 1) if count > 2 else [0]
            return sorted({*(int(keys[int(place)]) for place in among), last})
        spread = [int(index) for index in np.linspace(keys[0], last, count)]
        for key in keys[1:]:
            nearest = 1 + int(np.abs(np.array(spread[1:]) - key).argmin())
            spread[nearest] = int(key)
        return sorted(set(spread))

    def _group_of(self, index: int) -> Group:
        return next(group for group in reversed(self._parts.groups) if group.start <= index)


class _Decoding:
    """One decoder at a time, which only goes forward, and the time it has taken."""

    def __init__(self, parts: Parts, settings: Settings, clock: Callable[[], float]) -> None:
        self._pictures = parts.pictures
        self._sets = ParameterSets(parts.pictures)
        self._settings = settings
        self._clock = clock
        self._group: Group | None = None
        self._decoder = _new_decoder()
        self._position = 0
        self._spent_s = 0.0
        self.pictures = 0

    def until(self, group: Group, target: int) -> Sequence[av.VideoFrame]:
        """The newest picture once the one at `target` went in, after those that came out on the
        way, of these the last ones.

        A decoder may hold a picture back (fields, streams that lie about their order): it
        then gets the ones after it, and in the end is asked to hand over what it has.

        Raises
        ------
        _Damaged
            When libav can't go on, or makes up what did not come.
        _OutOfTime
        """
        began = self._clock()
        try:
            return self._advance(group, target, began)
        finally:
            self._spent_s += self._clock() - began

    def _advance(self, group: Group, target: int, began: float) -> Sequence[av.VideoFrame]:
        if group is not self._group:
            # Pictures before the nearest key frame are not needed for this one.
            self._group, self._decoder, self._position = group, _new_decoder(), group.start
        recent: deque[av.VideoFrame] = deque(maxlen=self._settings.sharpest_of)
        index = self._position
        while not recent or self._position <= target:
            limit_s = self._settings.max_decode_s
            if self._spent_s + self._clock() - began > limit_s:
                raise _OutOfTime(f"decoding it was stopped after {limit_s:g} s")
            is_over = self._position >= group.end
            try:
                pictures = self._decoder.decode(None if is_over else self._packet(group))
            except (av.FFmpegError, ValueError, MemoryError) as error:
                raise _Damaged(str(error).split(":")[0], index, _newest(recent)) from error
            for picture in pictures:
                self._check(picture)
                # Of half a picture libav makes a whole one, gray where nothing came: nobody in
                # it would be an answer about something the camera never saw.
                if picture.is_corrupt:
                    raise _Damaged("only half a picture comes out", index, _newest(recent))
                recent.append(picture)
                index = self._position
            if is_over and not recent:
                raise _Damaged("no whole picture comes out of the key frame", index, None)
            self._position += 1
        return recent

    def _packet(self, group: Group) -> av.Packet:
        is_key = self._position == group.start
        headers = self._sets.before(self._position) if is_key else b""
        return av.Packet(headers + self._pictures[self._position].to_bytes())

    def _check(self, picture: av.VideoFrame) -> None:
        self.pictures += 1
        limit = self._settings.max_frame_px
        if max(picture.width, picture.height) > limit:
            raise FrameTooLarge(picture.width, picture.height, limit)


def _newest(pictures: Sequence[av.VideoFrame]) -> av.VideoFrame | None:
    return pictures[-1] if pictures else None


def _new_decoder() -> av.VideoCodecContext:
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    # Without reordering every picture comes out when its bytes went in.
    decoder.flags |= av.codec.context.Flags.low_delay
    return decoder
