"""One clip's life as spans: the notation in which each station tells what it did, and when.

The function writes one line a clip to its log (`CLIP_LINE`), the device one line a span to files
of its own. Neither names anybody: what forgetting a person must reach never gets there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

# The schema of the function's line; its log groups are searched for it.
CLIP_LINE = "facelab.clip/1"
MAX_NAME = 64


@dataclass(frozen=True, slots=True)  # whoever follows a lab keeps many
class Span:
    """What a station did with a clip. Times are Unix milliseconds, with fractions.

    `parent` names the span of the same station that this one is a part of. A `summed` span took
    `duration_ms` in all, in pieces that lay anywhere within its parent.
    """

    station: str
    name: str
    start_ms: float
    duration_ms: float
    parent: str = ""
    summed: bool = False

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.duration_ms

    def to_fields(self) -> dict[str, Any]:
        """As JSON takes it, without what is empty."""
        fields: dict[str, Any] = {
            "name": self.name,
            "start_ms": round(self.start_ms, 2),
            "duration_ms": round(self.duration_ms, 2),
        }
        if self.parent:
            fields["parent"] = self.parent
        if self.summed:
            fields["summed"] = True
        return fields

    @classmethod
    def from_fields(cls, station: str, fields: Any) -> Span | None:
        """What `to_fields` wrote; None for anything else, a torn line say."""
        if not isinstance(fields, Mapping):
            return None
        name, parent = fields.get("name"), fields.get("parent", "")
        start_ms, duration_ms = fields.get("start_ms"), fields.get("duration_ms")
        if not (is_name(name) and is_name(parent) and is_time(start_ms) and is_time(duration_ms)):
            return None
        # The same few words again and again: one string each, however many spans are kept.
        names = sys.intern(station), sys.intern(name)
        return cls(*names, start_ms, duration_ms, sys.intern(parent), fields.get("summed") is True)


def is_name(value: object) -> TypeGuard[str]:
    """Whether a value that was read can be a span's name."""
    return isinstance(value, str) and len(value) <= MAX_NAME


def is_time(value: object) -> TypeGuard[float]:
    """Whether a value that was read can be a moment or a duration, ms."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
