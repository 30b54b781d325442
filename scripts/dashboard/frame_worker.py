"""Makes pictures of clips, in a process of its own: a clip that breaks a decoder breaks only this.

A question is a clip after a byte: `FULL`, or `SMALL` for a list of many. The answer is a
`FramePicture`, or nothing where none comes out. It knows no cloud and no keys. What strangers'
bytes meet here is libav alone, so that it is there in a moment: the recognizer's decoder would
bring numpy and its networks' runtime along.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from fractions import Fraction

import av

from scripts.dashboard.picture import SMALL, FramePicture
from scripts.dashboard.worker import serve

SMALL_PX = 256  # nearly as wide as a card
# libav's own scale: 1 is nothing lost, 31 hardly a picture.
QUALITY = 5
# As the function's decoder has it (`max_frame_px`): what is larger was rejected there.
MOST_PX = 2048 * 2048


def first_picture(data: bytes, most_px: int = MOST_PX) -> av.VideoFrame | None:
    """None where there is none, or a larger one."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(most_px)}
    # Without reordering a picture comes out when its bytes went in.
    decoder.flags |= av.codec.context.Flags.low_delay
    for packet in (*decoder.parse(data), *decoder.parse(None), None):
        with suppress(av.FFmpegError):  # what comes after it may be whole
            for picture in decoder.decode(packet):
                if not picture.is_corrupt:
                    return picture
    return None


def jpeg(picture: av.VideoFrame, most_wide_px: int) -> bytes:
    """In its own size, or smaller."""
    width = min(picture.width, most_wide_px)
    height = max(1, round(picture.height * width / picture.width))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1)
    encoder.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
    made = picture.reformat(
        width=width, height=height, format="yuvj420p", dst_color_range="JPEG", interpolation="AREA"
    )
    made.pts = None
    return b"".join(bytes(packet) for packet in (*encoder.encode(made), *encoder.encode(None)))


def picture_of(question: bytes) -> bytes:
    """The first picture of a clip; nothing when it has none."""
    wanted, data = question[:1], question[1:]
    try:
        found = first_picture(data)
        if found is None:
            return b""
        made = jpeg(found, SMALL_PX if wanted == SMALL else found.width)
        return FramePicture(found.width, found.height, made).to_bytes()
    except Exception as error:  # whatever a decoder raises concerns one clip
        print(f"frame worker: {error!r}", file=sys.stderr)
        return b""


def main() -> None:
    av.logging.set_level(av.logging.PANIC)
    serve(picture_of)


if __name__ == "__main__":
    main()
