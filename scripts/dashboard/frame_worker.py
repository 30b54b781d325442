"""Decodes frames for the dashboard, in a process of its own that ends when nobody looks.

The server stays small and a clip that breaks a decoder breaks only this. Asked on stdin, answers
on stdout: four bytes of length, then that many bytes; an answer of none says that it is no clip.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

import cv2

from recognition import Clip, ClipRejected, Settings

LENGTH = struct.Struct(">I")
QUALITY = 78


def jpeg_of(data: bytes) -> bytes:
    """The first frame of a clip as JPEG, in its own size; nothing when it has none."""
    try:
        frame = next(iter(Clip(data, Settings()).frames(1)))
        bgr = cv2.cvtColor(frame.to_rgb(), cv2.COLOR_RGB2BGR)
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return encoded.tobytes() if done else b""
    except (ClipRejected, StopIteration, cv2.error):
        return b""
    except Exception as error:  # whatever a decoder raises concerns one clip
        print(f"frame worker: {error!r}", file=sys.stderr)
        return b""


def read_block(stream: BinaryIO) -> bytes | None:
    """None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def write_block(stream: BinaryIO, data: bytes) -> None:
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def main() -> None:
    cv2.setNumThreads(1)
    while (data := read_block(sys.stdin.buffer)) is not None:
        write_block(sys.stdout.buffer, jpeg_of(data))


if __name__ == "__main__":
    main()
