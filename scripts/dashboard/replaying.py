"""The same clip again, under a new id and with times of now."""

from __future__ import annotations

import time

from botocore.exceptions import ClientError

from cloud.switch import Switch
from cloud.traces import traces_are_on
from contract.clips import ClipKey, ClipMetadata, InvalidClipMetadata
from contract.traces import ClipTrace
from scripts.errors import LabError

SEQUENCE = 999_999  # what tells a replayed clip from a recorded one
HALF_A_SECOND_MS = 500


class ClipDeleted(LabError):
    """The clip is not in the bucket any more: it expired, or shows somebody forgotten."""


def replay(switch: Switch, key: str, device_id: str) -> str:
    """Store the clip at `key` again; its new id. Its device gets one more result.

    Raises
    ------
    ClipDeleted
    """
    s3, bucket = switch.client("s3"), switch.bucket
    try:
        stored = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise ClipDeleted("the clip is not in the bucket any more") from error
        raise
    length_ms = HALF_A_SECOND_MS
    try:
        known = ClipMetadata.from_s3(stored.get("Metadata", {}))
        if known is not None:
            length_ms = max(0, known.capture_end_ms - known.capture_start_ms)
    except InvalidClipMetadata:
        pass
    now_ms = time.time_ns() // 1_000_000
    new = ClipKey.new(device_id, now_ms - length_ms, SEQUENCE)
    trace = ClipTrace.of(device_id, new.clip_id).to_s3() if traces_are_on() else {}
    with stored["Body"] as body:
        s3.put_object(
            Bucket=bucket,
            Key=str(new),
            Body=body.read(),
            ContentType=stored.get("ContentType", "video/h264"),
            Metadata=ClipMetadata(now_ms - length_ms, now_ms, SEQUENCE).to_s3() | trace,
        )
    return new.clip_id
