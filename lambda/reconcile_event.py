"""The event by which a clip is sent again, as S3 would have sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from events import ClipRef

SOURCE = "facelab:reconcile"


def event_for(ref: ClipRef) -> dict[str, Any]:
    """The notification that S3 sends when `ref` is stored, as far as the function reads it."""
    stored = {"key": quote_plus(ref.object_key), "size": ref.size_bytes, "eTag": ref.etag}
    if ref.version_id:
        stored["versionId"] = ref.version_id
    return {
        "Records": [
            {
                "eventSource": SOURCE,
                "eventName": "ObjectCreated:SentAgain",
                "s3": {"bucket": {"name": ref.bucket}, "object": stored},
            }
        ]
    }


def is_sent_again(event: Mapping[str, Any]) -> bool:
    """Whether an event that names clips is one of ours."""
    return any(
        isinstance(record, Mapping) and record.get("eventSource") == SOURCE
        for record in event["Records"]
    )
