"""Pictures of clips on the dashboard: made by a small process, kept for a while, and forgotten."""

from __future__ import annotations

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from botocore.exceptions import ClientError

from recognition import Clip, Settings
from scripts.dashboard.frame_worker import SMALL_PX, first_picture, picture_of
from scripts.dashboard.frames import Frames
from scripts.dashboard.picture import FULL, SMALL, FramePicture
from scripts.e2e.film import FIXTURE, film_clips
from scripts.paths import ROOT

CLIP = film_clips(FIXTURE)[30]
THEIRS = FramePicture(640, 480, b"shows them")


def test_a_clips_picture_is_the_one_that_the_function_looks_at_first():
    found = FramePicture.from_bytes(picture_of(FULL + CLIP))
    assert found is not None
    shown = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    seen = cv2.cvtColor(next(iter(Clip(CLIP, Settings()).frames(1))).to_rgb(), cv2.COLOR_RGB2BGR)
    assert shown.shape == seen.shape
    assert np.abs(shown.astype(int) - seen).mean() < 4


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff" * 999, CLIP[:100], bytes(100_000)])
def test_what_is_no_clip_has_no_picture(data):
    assert picture_of(FULL + data) == b""


def test_a_small_picture_says_how_large_the_frame_was():
    found = FramePicture.from_bytes(picture_of(SMALL + CLIP))
    assert found is not None
    shown = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (SMALL_PX * 3 // 4, SMALL_PX, 3)
    assert (found.width, found.height) == (640, 480)


def test_a_picture_larger_than_any_of_a_clip_is_not_decoded():
    assert first_picture(CLIP, 640 * 480) is not None
    assert first_picture(CLIP, 320 * 240) is None


def test_who_decodes_is_there_in_a_moment():
    """With numpy, a client of S3 and the recognizer it took a second of a free core; on a machine
    that did other work the first picture took twenty."""
    code = (
        "import sys, scripts.dashboard.frame_worker; "
        "sys.exit(sum(one in sys.modules for one in ('numpy', 'cv2', 'botocore', 'recognition')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


class Bucket:
    """A cloud with clips by key; `fails` is raised once."""

    bucket = "bucket"

    def __init__(self, clips: dict[str, bytes], fails: Exception | None = None) -> None:
        self.clips, self._fails = clips, fails

    def client(self, _: str) -> Bucket:
        return self

    def get_object(self, **asked: str) -> dict[str, object]:
        failure, self._fails = self._fails, None
        if failure:
            raise failure
        if asked["Key"] not in self.clips:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        data = self.clips[asked["Key"]]
        return {"Body": io.BytesIO(data), "ContentLength": len(data)}


def test_a_picture_is_made_once_and_anew_when_somebody_was_forgotten():
    made = []

    def decode(data: bytes) -> bytes:
        made.append(data)
        return THEIRS.to_bytes()

    frames = Frames(Bucket({"k": b"clip"}), decode)
    assert [frames.picture("c", "k") for _ in range(3)] == [THEIRS] * 3
    assert made == [FULL + b"clip"]
    frames.picture("c", "k", SMALL)  # is another one
    frames.forget()
    frames.picture("c", "k")
    assert made[1:] == [SMALL + b"clip", FULL + b"clip"]


def test_a_picture_that_was_being_made_while_somebody_was_forgotten_is_not_kept():
    bucket = Bucket({"k": b"clip"})

    def decode(data: bytes) -> bytes:
        frames.forget()
        bucket.clips.clear()
        return THEIRS.to_bytes()

    frames = Frames(bucket, decode)
    frames.picture("c", "k")
    assert frames.picture("c", "k") is None


def test_a_picture_that_the_cloud_did_not_give_is_asked_for_again():
    """No picture was kept for good where the lab was away for a moment."""
    busy = ClientError({"Error": {"Code": "Busy"}}, "GetObject")
    frames = Frames(Bucket({"k": b"clip"}, busy), lambda data: THEIRS.to_bytes())
    with pytest.raises(ClientError):
        frames.picture("c", "k")
    assert frames.picture("c", "k") == THEIRS
