"""What an S3 event asks for: the clips to answer, and the records to pass over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from contract.clips import ClipKey, InvalidClipKey

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipRef:
    """A clip that lies in S3. `size_bytes` is what the event said of it."""

    bucket: str
    object_key: str
    key: ClipKey
    size_bytes: int


def clips_in(event: dict[str, Any]) -> Iterator[ClipRef]:
    """Yield each clip that `event` reports as created, in the event's order.

    Passed over, with a line in the log: removals, S3's test event, and keys that name no
    device, since there is no queue to answer to.
    """
    for record in event.get("Records", ()):
        if not record.get("eventName", "").startswith("ObjectCreated:"):
            LOG.info("not a new object: %s", record.get("eventName"))
            continue
        stored = record["s3"]["object"]
        # Keys arrive form-encoded: "a b+c" is "a+b%2Bc".
        object_key = unquote_plus(stored["key"])
        try:
            key = ClipKey.parse(object_key)
        except InvalidClipKey as error:
            LOG.warning("ignored: %s", error)
            continue
        yield ClipRef(record["s3"]["bucket"]["name"], object_key, key, int(stored.get("size", 0)))
