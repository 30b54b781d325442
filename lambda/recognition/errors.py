"""What recognition refuses, each with a one-line reason and what to do about it."""

from __future__ import annotations


class RecognitionError(Exception):
    """Base of every error of this package."""


class ModelsMissing(RecognitionError):
    """The model files are not where the recognizer was told to look.

    Build them with `python -m weights build --out DIR`.
    """


class GalleryUnreadable(RecognitionError, ValueError):
    """The bytes are not a gallery that this version wrote. Enroll again to replace it."""


class CustomModelUnusable(RecognitionError, ValueError):
    """The bytes are not a custom model in the format of `recognition.custom_model`."""


class ClipRejected(RecognitionError, ValueError):
    """Base: the clip can't be looked at, now or ever; retrying would not help."""


class EmptyClip(ClipRejected):
    """The object has no bytes: an upload or a recording was interrupted."""

    def __init__(self) -> None:
        super().__init__("empty: the clip has no bytes; was the recording cut short?")


class ClipTooLarge(ClipRejected):
    """More bytes than a clip of a few seconds can have."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"too large: {size_bytes} bytes, at most {limit_bytes}; record shorter clips"
        )


class NotH264(ClipRejected):
    """There is no H.264 NAL unit in it: a text file, a picture, an MP4 container."""

    def __init__(self, found: str = "no Annex-B start code") -> None:
        super().__init__(f"not h264: {found}; send the raw .h264 stream, not MP4")


class TooManyUnits(ClipRejected):
    """`limit` pieces, thousands, before the first of a video: made to keep a reader busy."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"not a clip: more than {limit} pieces and no picture among them")


class NoParameterSets(ClipRejected):
    """No readable SPS and PPS: the clip was cut from a stream without repeating them."""

    def __init__(self) -> None:
        super().__init__("no SPS/PPS: the clip can't be decoded alone; set repeat headers")


class NoKeyFrame(ClipRejected):
    """There is no IDR picture: the clip was not cut at a key frame, or right before one."""

    def __init__(self) -> None:
        super().__init__("no key frame: cut clips at key frames (IDR), at least one in each")


class FrameTooLarge(ClipRejected):
    """The SPS asks for pictures larger than the function is willing to allocate."""

    def __init__(self, width_px: int, height_px: int, limit_px: int) -> None:
        super().__init__(
            f"frame too large: {width_px}x{height_px}, at most {limit_px} on a side; "
            "lower the camera's resolution"
        )


class Undecodable(ClipRejected):
    """The stream has the right parts, but no picture comes out: truncated or corrupt."""

    def __init__(self, why: str) -> None:
        super().__init__(f"undecodable: {why}; the clip is truncated or corrupt")
