"""What an event asks for: the clips to answer, and the records to pass over."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from contract.clips import MAX_KEY_BYTES, ClipKey, InvalidClipKey, InvalidClipName

LOG = logging.getLogger(__name__)


class InvalidEvent(ValueError):
    """An event that is not made as AWS makes them; its record can't be answered."""


MAX_TEXT = 3 * MAX_KEY_BYTES  # a key whose every byte stands there as %XX


@dataclass(frozen=True)
class ClipRef:
    """A clip that lies in S3.

    `size_bytes`, `etag` (without quotes) and `version_id` are what the event said of it: 0 and
    "" where it did not. `refusal` says why the object can't be a clip whatever it holds.
    """

    bucket: str
    object_key: str
    key: ClipKey
    size_bytes: int = 0
    etag: str = ""
    version_id: str = ""
    refusal: str | None = None

    @property
    def content_id(self) -> str:
        """The same for the same content under the same key, and for nothing else."""
        named = f"{self.object_key}\n{self.etag}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    @property
    def row(self) -> str:
        """The clip's row in the ledger."""
        return f"{self.key.device_id}/{self.key.clip_id}#{self.content_id}"


def clips_in(event: Mapping[str, Any]) -> Iterator[ClipRef | InvalidEvent]:
    """Yield each clip that `event` reports as created, in the event's order.

    An S3 notification, directly or as the body of SQS messages. Passed over, with a line in the
    log: removals, S3's test event, folders, and keys that name no device, since there is no
    queue to answer to. A record that can't be read is yielded as the error that says why, so
    that it does not keep its neighbors from being answered.
    """
    records = event.get("Records", ()) if isinstance(event, Mapping) else None
    if not isinstance(records, (list, tuple)):
        yield InvalidEvent(f"Records is {type(records).__name__}, a list is expected")
        return
    for record in records:
        try:
            if isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs":
                yield from clips_in(json.loads(record["body"]))
            elif ref := _clip_of(record):
                yield ref
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            yield InvalidEvent(f"a record that is not AWS's: {type(error).__name__} {error}")


def clip_ref(bucket: str, object_key: str, **said: Any) -> ClipRef | None:
    """The clip at a key (already URL-decoded), None where no device could be told of it."""
    if object_key.endswith("/"):
        LOG.info("a folder, not a clip: %r", object_key)
        return None
    try:
        object_key.encode()  # half a surrogate pair is in no key that S3 can have
        return ClipRef(bucket, object_key, ClipKey.parse(object_key), **said)
    except InvalidClipName as error:
        return ClipRef(bucket, object_key, error.stand_in, refusal=f"no clip: {error}", **said)
    except (InvalidClipKey, UnicodeEncodeError) as error:
        LOG.warning("ignored: %s", error)
        return None


def _clip_of(record: Mapping[str, Any]) -> ClipRef | None:
    if not record.get("eventName", "").removeprefix("s3:").startswith("ObjectCreated:"):
        LOG.info("not a new object: %r", record.get("eventName"))
        return None
    stored = record["s3"]["object"]
    size_bytes = stored.get("size") or 0
    if not isinstance(size_bytes, int) or size_bytes < 0:
        raise ValueError(f"a size of {size_bytes!r:.40} bytes")
    return clip_ref(
        _text(record["s3"]["bucket"]["name"]),
        # Keys arrive form-encoded: "a b+c" is "a+b%2Bc".
        unquote_plus(_text(stored["key"])),
        size_bytes=size_bytes,
        etag=_text(stored.get("eTag") or "").strip('"'),
        version_id=_text(stored.get("versionId") or ""),
    )


def _text(value: Any) -> str:
    """What can be sent to AWS again: whole text, as long as a key may be, form-encoded."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise TypeError(f"{value!r:.40} where a short text is expected")
    value.encode()  # half a surrogate pair is in nothing that AWS says
    return value
