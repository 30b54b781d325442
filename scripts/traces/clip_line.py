"""The function's line on a clip, as it is read from a log: bounded and well-formed, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.clips import MAX_KEY_BYTES
from contract.results import Box
from contract.spans import CLIP_LINE, Span, is_time

FAILED = "failed"
STATUSES = ("recognized", "unknown", "no_face", "low_quality", "rejected", FAILED)
MOST_FACES = 100
MOST_SPANS = 200
MAX_TEXT = 400


@dataclass(frozen=True)
class Opinion:
    """One model's answer on one face. `person` is an ordinal among the people of the clip's
    row in the ledger, sorted; None where the model named nobody."""

    status: str
    score: float
    distance: float | None
    person: int | None


@dataclass(frozen=True)
class SeenFace:
    """One face, its box in px. `person` is the final decision, as in `Opinion`."""

    box: Box
    size_px: int
    status: str
    agree: bool
    person: int | None
    online: Opinion
    custom: Opinion


@dataclass(frozen=True)
class ClipLine:
    """What the function tells of one clip. Times are Unix milliseconds.

    `event_ms` is S3's own time of the event; `people` says how many the ledger's row must name
    for the ordinals to mean anything. `logged_ms` is when the log took the line.
    """

    clip_id: str
    device_id: str
    key: str
    result_id: str
    request_id: str
    trace_id: str
    status: str
    reason: str
    capture_start_ms: float | None
    capture_end_ms: float | None
    event_ms: float | None
    size_bytes: int
    duration_ms: float
    cold_start: bool
    people: int
    faces: tuple[SeenFace, ...]
    spans: tuple[Span, ...]
    logged_ms: int = 0
    stream: str = field(default="", compare=False)

    @property
    def row(self) -> str:
        """The clip's row in the ledger."""
        return row_of(self.device_id, self.clip_id, self.result_id)

    @property
    def ended_ms(self) -> float:
        return max((span.end_ms for span in self.spans), default=float(self.logged_ms))

    @property
    def latency_ms(self) -> float | None:
        """From the clip's end to the function's: the part that the cloud's log can tell."""
        return None if self.capture_end_ms is None else self.ended_ms - self.capture_end_ms


def row_of(device_id: str, clip_id: str, result_id: str) -> str:
    """A clip's row in the ledger."""
    return f"{device_id}/{clip_id}#{result_id}"


def read_clip_line(message: str, logged_ms: int = 0, stream: str = "") -> ClipLine | None:
    """The line that `message` is; None for whatever else is in a log."""
    if CLIP_LINE not in message:
        return None
    try:
        fields = json.loads(message)
        if fields["schema"] != CLIP_LINE:
            return None
        return ClipLine(
            clip_id=_text(fields["clip_id"], MAX_KEY_BYTES),
            device_id=_text(fields["device_id"]),
            key=_text(fields["key"], MAX_KEY_BYTES),
            result_id=_text(fields["result_id"]),
            request_id=_text(fields["request_id"]),
            trace_id=_text(fields["trace_id"]),
            status=_one_of(fields["status"], STATUSES),
            reason=_text(fields["reason"]),
            capture_start_ms=_time(fields.get("capture_start_ms")),
            capture_end_ms=_time(fields.get("capture_end_ms")),
            event_ms=_time(fields.get("event_ms")),
            size_bytes=_count(fields["size_bytes"], 2**50),
            duration_ms=float(_time(fields["duration_ms"]) or 0),
            cold_start=fields.get("cold_start") is True,
            people=_count(fields.get("people", 0), 10_000),
            faces=tuple(map(_face, fields.get("faces", [])[:MOST_FACES])),
            spans=tuple(
                span
                for one in fields["spans"][:MOST_SPANS]
                if (span := Span.from_fields("function", one)) is not None
            ),
            logged_ms=logged_ms,
            stream=stream,
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _face(fields: Mapping[str, Any]) -> SeenFace:
    top, right, bottom, left = (int(edge) for edge in fields["box"])
    return SeenFace(
        box=Box(top, right, bottom, left),
        size_px=_count(fields["size_px"], 10**5),
        status=_one_of(fields["status"], STATUSES),
        agree=fields["agree"] is True,
        person=_ordinal(fields["person"]),
        online=_opinion(fields["online"]),
        custom=_opinion(fields["custom"]),
    )


def _opinion(fields: Mapping[str, Any]) -> Opinion:
    distance = fields["distance"]
    return Opinion(
        status=_one_of(fields["status"], STATUSES),
        score=float(fields["score"]),
        distance=None if distance is None else float(distance),
        person=_ordinal(fields["person"]),
    )


def _text(value: Any, most: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise TypeError("a short text is expected")
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value!r:.40} is none of {', '.join(known)}")
    return str(value)


def _time(value: Any) -> float | None:
    if value is None:
        return None
    if not is_time(value):
        raise TypeError("a time is expected")
    return value


def _count(value: Any, most: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise TypeError("a count is expected")
    return value


def _ordinal(value: Any) -> int | None:
    return None if value is None else _count(value, 10_000)
