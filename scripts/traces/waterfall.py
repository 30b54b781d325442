"""A clip's spans in one line of time, from shutter to screen, and what nobody measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from contract.spans import Span
from scripts.traces.clip_line import ClipLine

TRANSIT = "transit"
GAP = "gap"
# Between two clocks, or two lines of code, less than this is nothing.
SMALLEST_GAP_MS = 1.0
# The order in which a clip passes through; what is in no order begins when it begins.
_WORDS = {
    "record": "recording",
    "cut": "cutter",
    "spool": "onto the disk",
    "upload": "upload to S3",
    "event": "S3's event to the function",
    "init": "cold start",
    "answer": "the function",
    "queue": "result queue",
    "receive": "read by messages",
    "print": "printed",
    "refresh": "gallery and model",
    "look-up": "people look-up",
    "reach": "queue look-up",
    "close": "ledger closed",
}


@dataclass(frozen=True)
class SpanRow:
    """A span as it is drawn: `offset_ms` since the first one, `level` how deep it lies.

    `station` is camera, function or messages for what was measured there, `transit` for the way
    between two stations, `gap` for time that no span covers.
    """

    station: str
    name: str
    label: str
    offset_ms: float
    duration_ms: float
    level: int
    summed: bool = False


@dataclass(frozen=True)
class Waterfall:
    """A clip's life. `start_ms` is Unix; `notes` say what to bear in mind."""

    clip_id: str
    device_id: str
    status: str
    trace_id: str
    start_ms: float
    total_ms: float
    rows: tuple[SpanRow, ...]
    notes: tuple[str, ...]

    def to_fields(self) -> dict[str, Any]:
        """As programs read it: spans with start and duration in ms."""
        return {
            "clip_id": self.clip_id,
            "device_id": self.device_id,
            "status": self.status,
            "trace_id": self.trace_id,
            "start_ms": round(self.start_ms, 2),
            "total_ms": round(self.total_ms, 2),
            "notes": list(self.notes),
            "spans": [
                {
                    "station": row.station,
                    "name": row.name,
                    "label": row.label,
                    "start_ms": round(self.start_ms + row.offset_ms, 2),
                    "offset_ms": round(row.offset_ms, 2),
                    "duration_ms": round(row.duration_ms, 2),
                    "level": row.level,
                    **({"summed": True} if row.summed else {}),
                }
                for row in self.rows
            ],
        }


def waterfall(line: ClipLine, of_device: Iterable[Span] = ()) -> Waterfall:
    """Put what the function told of a clip and what its device did into one line of time.

    Times are those of each station's own clock: where a device is another machine, its offset
    shows as a gap, or as a step back, which the notes name.
    """
    measured = [*_device_spans(line, list(of_device)), *line.spans]
    transits = _transits(line, measured)
    every = sorted([*measured, *transits], key=lambda span: (span.start_ms, -span.duration_ms))
    if not every:
        return Waterfall(line.clip_id, line.device_id, line.status, line.trace_id, 0, 0, (), ())
    start_ms = min(span.start_ms for span in every)
    end_ms = max(span.end_ms for span in every)
    gaps = list(_gaps(every))
    rows = [
        _row(span, start_ms)
        for span in sorted([*every, *gaps], key=lambda span: (span.start_ms, _level(span)))
    ]
    return Waterfall(
        line.clip_id,
        line.device_id,
        line.status,
        line.trace_id,
        start_ms,
        end_ms - start_ms,
        tuple(_children_below(rows)),
        tuple(_notes(line, measured, transits)),
    )


def _device_spans(line: ClipLine, spans: list[Span]) -> list[Span]:
    """Without the device's own files, the capture times that came with the clip."""
    start_ms, end_ms = line.capture_start_ms, line.capture_end_ms
    if start_ms is None or end_ms is None or _find(spans, "record"):
        return spans
    return [Span("camera", "record", start_ms, max(0, end_ms - start_ms)), *spans]


def _find(spans: Iterable[Span], name: str) -> Span | None:
    return next((span for span in spans if span.name == name), None)


def _transits(line: ClipLine, measured: list[Span]) -> list[Span]:
    """What lies between two stations, where both ends are known."""
    found = []
    started = _find(measured, "init") or _find(measured, "answer")
    upload = _find(measured, "upload")
    if started is not None:
        # S3 notes when it began to store the object; the device, when that was confirmed.
        # S3 sends the event before the device has its answer; its clock may know only seconds.
        known = [one for one in (line.event_ms, upload.end_ms if upload else None) if one]
        if known:
            before = [moment for moment in known if moment <= started.start_ms]
            from_ms = max(before, default=started.start_ms)
            found.append(Span(TRANSIT, "event", from_ms, started.start_ms - from_ms))
    send, receive = _find(measured, "send"), _find(measured, "receive")
    if send is not None and receive is not None and receive.start_ms >= send.start_ms:
        # A waiting device may have the message before the function has SQS's answer.
        from_ms = min(send.end_ms, receive.start_ms)
        found.append(Span(TRANSIT, "queue", from_ms, receive.start_ms - from_ms))
    return found


def _gaps(spans: list[Span]) -> Iterable[Span]:
    """Time between the first and the last span that none covers."""
    covered_ms = spans[0].start_ms
    last = spans[0]
    for span in sorted(spans, key=lambda span: span.start_ms):
        if span.summed:
            continue
        missing_ms = span.start_ms - covered_ms
        if missing_ms >= SMALLEST_GAP_MS:
            yield Span(GAP, f"between {last.name} and {span.name}", covered_ms, missing_ms)
        if span.end_ms > covered_ms:
            covered_ms, last = span.end_ms, span


def _level(span: Span) -> int:
    if span.parent:
        return 2
    return int(span.station == "function" and span.name not in ("answer", "init"))


def _row(span: Span, start_ms: float) -> SpanRow:
    told = _WORDS.get(span.name, span.name)
    label = f"not measured, {told}" if span.station == GAP else told
    offset_ms = span.start_ms - start_ms
    return SpanRow(
        span.station, span.name, label, offset_ms, span.duration_ms, _level(span), span.summed
    )


def _children_below(rows: list[SpanRow]) -> Iterable[SpanRow]:
    """Pieces of a span right below it, whatever else began meanwhile."""
    inside = [row for row in rows if row.level == 2]
    for row in rows:
        if row.level < 2:
            yield row
        if row.name == "recognize":
            yield from inside


def _notes(line: ClipLine, measured: list[Span], transits: list[Span]) -> Iterable[str]:
    if not any(span.station == "messages" for span in measured):
        yield "no spans of messages.py: it did not run here, or has not shown this clip yet"
    if not any(span.name == "upload" for span in measured):
        yield "no spans of camera.py: it did not run on this machine, or FACELAB_TRACES is off"
    send, receive = _find(measured, "send"), _find(measured, "receive")
    if send and receive and receive.start_ms < send.start_ms:
        back_ms = send.start_ms - receive.start_ms
        yield f"the device's clock is behind the function's by {back_ms:.0f} ms at least"
    if line.status == "failed":
        yield f"this try failed: {line.reason}; Lambda repeats it"
