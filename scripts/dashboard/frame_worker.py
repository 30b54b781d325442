"""Fetches clips and decodes their first frames, in a process of its own.

A clip that breaks a decoder breaks only this. A question is `frame` or `clip`, and the clip's key;
the answer a JPEG or the clip. Nothing is answered where it is not there, or is no clip.
"""

from __future__ import annotations

import sys

import cv2
from botocore.exceptions import ClientError

from cloud.switch import Switch, read_switch
from contract.clips import MAX_CLIP_BYTES
from recognition import Clip, ClipRejected, Settings
from scripts.cloud_errors import says_not_there
from scripts.dashboard.clients import SharedClients
from scripts.dashboard.worker import serve

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


def clip_at(switch: Switch, key: str) -> bytes:
    """A clip's bytes; nothing when it is not there, or larger than any clip."""
    try:
        answer = switch.client("s3").get_object(Bucket=switch.bucket, Key=key)
    except ClientError as error:
        if says_not_there(error):
            return b""
        raise
    with answer["Body"] as body:
        data: bytes = body.read() if answer["ContentLength"] <= MAX_CLIP_BYTES else b""
        return data


def main() -> None:
    cv2.setNumThreads(1)
    switch = SharedClients.of(read_switch())

    def answer(question: bytes) -> bytes:
        wanted, _, key = question.decode().partition(" ")
        data = clip_at(switch, key)
        return jpeg_of(data) if data and wanted == "frame" else data

    serve(answer)


if __name__ == "__main__":
    main()
