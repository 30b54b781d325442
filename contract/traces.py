"""A clip's own trace: made where it is recorded, and carried with it in its object's metadata.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# `off`: clips have no traces, and no spans are written. Anything else is the folder of the
# device's spans.
TRACES_SETTING = "FACELAB_TRACES"
OFF = "off"
METADATA = "traceparent"
_HEADER = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_STAMP = re.compile(r"\d{8}T\d{6}(?=\d{3}Z-)")


def are_traced(setting: str | None) -> bool:
    """Whether clips have traces, by what `TRACES_SETTING` says to whoever asks."""
    return setting != OFF


@dataclass(frozen=True)
class ClipTrace:
    """`trace_id` is 32 hexadecimal digits; `span_id`, 16 of them, is the span that all of the
    clip's life lies in."""

    trace_id: str
    span_id: str

    @classmethod
    def of(cls, device_id: str, clip_id: str) -> ClipTrace:
        """Made of the clip's name alone: a device that starts anew, and who reads its spans, need
        keep none. It begins with when the clip was recorded, as X-Ray wants it (seconds since
        1970); of a name that does not tell, with anything.
        """
        digest = hashlib.sha256(f"{device_id}/{clip_id}".encode("utf-8", "surrogatepass"))
        trace_id = (_began(clip_id) + digest.hexdigest())[:32]
        return cls(trace_id, span_id(trace_id, "clip"))

    @property
    def xray_id(self) -> str:
        """The same in X-Ray's notation: `1-5759e988-bd862e3fe1be46a994272793`."""
        return f"1-{self.trace_id[:8]}-{self.trace_id[8:]}"

    def to_s3(self) -> dict[str, str]:
        """As S3 user metadata (`x-amz-meta-traceparent`)."""
        return {METADATA: f"00-{self.trace_id}-{self.span_id}-01"}

    @classmethod
    def from_s3(cls, metadata: Mapping[str, str]) -> ClipTrace | None:
        """None for an object without one, and for what is none: anybody who may PUT writes it."""
        found = _HEADER.fullmatch(metadata.get(METADATA, ""))
        if found is None or not int(found[1], 16) or not int(found[2], 16):
            return None
        return cls(found[1], found[2])


def span_id(trace_id: str, name: str) -> str:
    """The id of a trace's span of that name: 16 hexadecimal digits."""
    return hashlib.sha256(f"{trace_id}/{name}".encode()).hexdigest()[:16]


def _began(clip_id: str) -> str:
    found = _STAMP.match(clip_id)
    try:
        moment = datetime.fromisoformat(found[0]) if found else None
    except ValueError:  # a thirteenth month: somebody's own name
        moment = None
    if moment is None or not 1970 <= moment.year < 2100:
        return ""
    return f"{int(moment.replace(tzinfo=UTC).timestamp()):08x}"
