"""From a clip's bytes to pictures: in memory, only as many as are asked for, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import av
import numpy as np

from contract.annexb import NalType, NalUnit, access_units, nal_units
from recognition.errors import (
    ClipTooLarge,
    EmptyClip,
    FrameTooLarge,
    NoKeyFrame,
    NoParameterSets,
    NotH264,
    Undecodable,
)
from recognition.settings import Settings
from recognition.sps import MalformedSps, picture_size

# libav prints concealment notices to stderr, which would be the function's log.
av.logging.set_level(av.logging.PANIC)

# A stream of start codes alone would otherwise become millions of objects.
_MAX_NAL_UNITS = 50_000
_ESSENTIAL = (NalType.SLICE, NalType.IDR_SLICE, NalType.SPS, NalType.PPS)


@dataclass(frozen=True)
class Frame:
    """A decoded picture: `index` counts coded pictures from the clip's start;
    `is_first` and `is_last` are among the frames that were asked for."""

    index: int
    is_first: bool
    is_last: bool
    picture: av.VideoFrame

    def to_rgb(self) -> np.ndarray:
        """uint8 [height, width, 3]; some milliseconds of colour conversion."""
        return self.picture.to_ndarray(format="rgb24")


class Clip:
    """A checked clip, split into coded pictures but not decoded yet.

    Raises
    ------
    ClipRejected
        One of its subclasses, when the bytes can't be a clip or could harm the function.
    """

    def __init__(self, data: bytes, settings: Settings) -> None:
        if not data:
            raise EmptyClip
        if len(data) > settings.max_clip_bytes:
            raise ClipTooLarge(len(data), settings.max_clip_bytes)
        units = list(islice(nal_units(data), _MAX_NAL_UNITS))
        if data[4:8] == b"ftyp" or not any(unit.type in _ESSENTIAL for unit in units):
            raise NotH264
        self._settings = settings
        self._check_size(units)
        self._pictures = list(islice(access_units(units), settings.max_clip_pictures))
        self._keys = [index for index, picture in enumerate(self._pictures) if picture.is_key]
        if not self._keys:
            raise NoKeyFrame
        self.pictures_decoded = 0

    def _check_size(self, units: list[NalUnit]) -> None:
        sizes = []
        for unit in units:
            if unit.type == NalType.SPS:
                try:
                    sizes.append(picture_size(unit))
                except MalformedSps:
                    continue
        if not sizes or not any(unit.type == NalType.PPS for unit in units):
            raise NoParameterSets
        limit = self._settings.max_frame_px
        for width, height in sizes:
            if max(width, height) > limit:
                raise FrameTooLarge(width, height, limit)

    def frames(self, count: int) -> Iterator[Frame]:
        """At most `count` frames, evenly spread, the first key frame first.

        Decoding happens as the iterator advances. A clip that breaks off ends the iterator;
        only when not even the first picture comes out, it is an error.

        Raises
        ------
        Undecodable
        """
        first = self._keys[0]
        wanted = sorted(
            {int(index) for index in np.linspace(first, len(self._pictures) - 1, count)}
        )
        decoder = self._new_decoder()
        position, is_first = first, True
        for target in wanted:
            # Pictures before the nearest key frame are not needed for this one.
            start = max(key for key in self._keys if key <= target)
            if start > position:
                decoder, position = self._new_decoder(), start
            try:
                picture, position = self._decode_until(decoder, position, target)
            except (av.FFmpegError, ValueError, MemoryError) as error:
                if is_first:
                    raise Undecodable(str(error).split(":")[0]) from error
                return
            # Of half a picture libav makes a whole one, grey where nothing came: nobody in it
            # would be an answer about something the camera never saw.
            if picture is None or picture.is_corrupt:
                if is_first:
                    raise Undecodable("no whole picture comes out of the key frame")
                return
            yield Frame(target, is_first, target == wanted[-1], picture)
            is_first = False

    def _decode_until(
        self, decoder: av.VideoCodecContext, position: int, target: int
    ) -> tuple[av.VideoFrame | None, int]:
        """The newest picture once `target` went in, and how many went in by then.

        A decoder may hold a picture back (fields, streams that lie about their order): it
        then gets the ones after it, and in the end is asked to hand over what it has.
        """
        picture = None
        while position < len(self._pictures) and (position <= target or picture is None):
            packet = av.Packet(self._pictures[position].to_bytes())
            picture = self._newest(decoder.decode(packet)) or picture
            position += 1
        return picture or self._newest(decoder.decode(None)), position

    def _newest(self, pictures: list[av.VideoFrame]) -> av.VideoFrame | None:
        for picture in pictures:
            self.pictures_decoded += 1
            self._check_decoded(picture)
        return pictures[-1] if pictures else None

    def _check_decoded(self, picture: av.VideoFrame) -> None:
        limit = self._settings.max_frame_px
        if max(picture.width, picture.height) > limit:
            raise FrameTooLarge(picture.width, picture.height, limit)

    @staticmethod
    def _new_decoder() -> av.VideoCodecContext:
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        # Without reordering every picture comes out when its bytes went in.
        decoder.flags |= av.codec.context.Flags.low_delay
        return decoder
