"""What the function tells of each clip: one line of JSON in its log, with spans and metrics.

The line is in CloudWatch's embedded metric format, so that CloudWatch counts from it; `make trace`
and the dashboard read the rest. It names nobody: of a face it has an ordinal among the people whom
the clip's row in the ledger names. `forget` clears that row, and the ordinal then means nothing.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from answering import people_in
from contract.results import Face, Identity, Result
from contract.spans import CLIP_LINE, Span
from contract.traces import TRACES_SETTING, ClipTrace, are_traced
from events import ClipRef
from xray import TraceHeader

LOG = logging.getLogger(__name__)
STATION = "function"
NAMESPACE = "facelab"
# Stages of recognition, which take turns from frame to frame.
INSIDE_RECOGNIZE = ("decode", "detect", "align", "embed", "decide")
MAX_REASON = 300
# Of a clip's way through the function what CloudWatch counts; a clip that failed may lack some.
COUNTED_STAGES = ("fetch", "recognize", "send")
Export = Callable[[Mapping[str, Any], Sequence[Span], ClipTrace | None], None]
_METRICS = (("duration_ms", "Milliseconds"), ("faces_found", "Count"), ("cold_starts", "Count"))


class Telemetry:
    """Collects the spans of the clip that is being answered, and writes its line.

    An environment answers one clip at a time; its stations may be called from several threads.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        init_started_ms: float = 0,
        export: Export = lambda fields, spans, trace: None,
    ) -> None:
        self.is_on = are_traced(os.environ.get(TRACES_SETTING))
        self._write = write
        self._export = export
        self._init_started_ms = init_started_ms
        self._spans: list[Span] = []
        self._trace: ClipTrace | None = None

    def watch(self, station: Any, **spans: str) -> Any:
        """`station`, whose methods named in `spans` leave a span of that name for each call."""
        return _Watched(station, self, spans) if self.is_on else station

    def watch_clips(self, clips: Any) -> Any:
        """As `watch`: who fetches clips. What is fetched brings the trace that its device began."""

        def heard(stored: Any) -> None:
            self._trace = ClipTrace.from_s3(stored.metadata)

        return _Watched(clips, self, {"fetch": "fetch"}, heard) if self.is_on else clips

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        started_ns = time.time_ns()
        try:
            yield
        finally:
            ended_ns = time.time_ns()
            duration_ms = max(0, ended_ns - started_ns) / 1e6
            self._spans.append(Span(STATION, name, started_ns / 1e6, duration_ms))

    @contextmanager
    def clip(self, ref: ClipRef, request_id: str, event: Any) -> Iterator[Callable[..., None]]:
        """Around one clip's answer. Call what it gives with the result; without, it failed."""
        if not self.is_on:
            yield lambda result: None
            return
        self._spans, self._trace = [], None
        results: list[Result | None] = []
        try:
            with self.span("answer"):
                yield results.append
        except Exception as error:
            failed = _failed(ref, request_id, error)
            self._tell(lambda: failed, ref, event)
            raise
        if (result := next(iter(results), None)) is not None:
            self._tell(lambda: _answered(result), ref, event)

    def _tell(self, fields: Callable[[], dict[str, Any]], ref: ClipRef, event: Any) -> None:
        """A fault in here must not repeat a clip that was answered."""
        try:
            invocation = TraceHeader.current().trace_id
            told = {
                "trace_id": self._trace.xray_id if self._trace else invocation,
                "invocation_trace_id": invocation,
                **fields(),
            }
            spans = self._all_spans(told.pop("stages_ms", {}), told.get("init_ms"))
            self._write(self._line(told, spans, ref, event))
            self._export(told, spans, self._trace)
        except Exception:
            LOG.exception("no telemetry of %r", ref.object_key)

    def _line(self, fields: dict[str, Any], spans: Sequence[Span], ref: ClipRef, event: Any) -> str:
        answer = next(span for span in spans if span.name == "answer")
        stages = {
            f"{name}_ms": round(sum(span.duration_ms for span in spans if span.name == name), 2)
            for name in COUNTED_STAGES
            if any(span.name == name for span in spans)
        }
        line = {
            "_aws": {"Timestamp": int(answer.end_ms), "CloudWatchMetrics": _metrics(stages)},
            "schema": CLIP_LINE,
            "size_bytes": ref.size_bytes,
            "event_ms": event_ms(event, ref.object_key),
            **fields,
            "clips": 1,
            "duration_ms": round(answer.duration_ms, 2),
            **stages,
            "spans": [span.to_fields() for span in spans],
        }
        return json.dumps(line, separators=(",", ":")) + "\n"

    def _all_spans(self, stages_ms: Mapping[str, float], init_ms: float | None) -> list[Span]:
        spans = sorted(self._spans, key=lambda span: (span.start_ms, -span.duration_ms))
        if init_ms is not None and self._init_started_ms:
            spans.insert(0, Span(STATION, "init", self._init_started_ms, init_ms))
        recognize = next((span for span in spans if span.name == "recognize"), None)
        if recognize is not None:
            start_ms = recognize.start_ms
            for name in INSIDE_RECOGNIZE:
                if name in stages_ms:
                    duration_ms = stages_ms[name]
                    spans.append(Span(STATION, name, start_ms, duration_ms, "recognize", True))
                    start_ms += duration_ms
        return spans


class _Watched:
    """Stands for a station; everything but the watched methods is the station's own."""

    def __init__(
        self,
        station: Any,
        telemetry: Telemetry,
        spans: Mapping[str, str],
        heard: Callable[[Any], None] = lambda answer: None,
    ) -> None:
        self._station = station
        self._telemetry = telemetry
        self._spans = spans
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._station, name)
        if name not in self._spans:
            return value

        def watched(*arguments: Any, **named: Any) -> Any:
            with self._telemetry.span(self._spans[name]):
                answer = value(*arguments, **named)
            self._heard(answer)
            return answer

        return watched


def _answered(result: Result) -> dict[str, Any]:
    named = sorted(people_in(result))
    return {
        "clip_id": result.clip_id,
        "device_id": result.device_id,
        "key": result.key,
        "result_id": result.result_id,
        "request_id": result.request_id,
        "status": str(result.status),
        "reason": (result.reason or "")[:MAX_REASON],
        "sequence": result.sequence,
        "capture_start_ms": result.capture_start_ms,
        "capture_end_ms": result.capture_end_ms,
        "frames_seen": result.frames_seen,
        "frames_decoded": result.frames_decoded,
        "cold_start": result.cold_start,
        "cold_starts": int(result.cold_start),
        "init_ms": result.init_ms,
        "people": len(named),
        "faces_found": len(result.faces),
        "faces": [_face(face, named) for face in result.faces],
        "stages_ms": result.stages_ms,
    }


def _failed(ref: ClipRef, request_id: str, error: Exception) -> dict[str, Any]:
    return {
        "clip_id": ref.key.clip_id,
        "device_id": ref.key.device_id,
        "key": ref.object_key,
        "result_id": ref.content_id,
        "request_id": request_id,
        "status": "failed",
        "reason": type(error).__name__,
        "faces_found": 0,
        "cold_starts": 0,
    }


def _face(face: Face, named: list[str]) -> dict[str, Any]:
    box = face.box
    return {
        "box": [box.top, box.right, box.bottom, box.left],
        "size_px": face.size_px,
        "status": str(face.status),
        "agree": face.agree,
        "person": named.index(face.person_id) if face.person_id in named else None,
        "online": _identity(face.online, named),
        "custom": _identity(face.custom, named),
    }


def _identity(identity: Identity, named: list[str]) -> dict[str, Any]:
    person = identity.person
    return {
        "status": str(identity.status),
        "score": round(identity.score, 3),
        "distance": None if identity.distance is None else round(identity.distance, 3),
        "person": None if person is None else named.index(person.person_id),
    }


def _metrics(stages: Iterable[str]) -> list[dict[str, Any]]:
    """Few on purpose: each name and each value of a dimension is a metric that AWS bills."""
    units = (*_METRICS, *((name, "Milliseconds") for name in stages))
    return [
        {
            "Namespace": NAMESPACE,
            "Dimensions": [[]],
            "Metrics": [{"Name": name, "Unit": unit} for name, unit in units],
        },
        {
            "Namespace": NAMESPACE,
            "Dimensions": [["status"]],
            "Metrics": [{"Name": "clips", "Unit": "Count"}],
        },
    ]


def event_ms(event: Any, object_key: str) -> float | None:
    """When S3 says that it stored the object, Unix ms; None where the event does not tell."""
    for record in _records(event):
        try:
            if unquote_plus(record["s3"]["object"]["key"]) == object_key:
                return datetime.fromisoformat(record["eventTime"]).timestamp() * 1000
        except (KeyError, TypeError, ValueError):
            continue
    return None


def _records(event: Any) -> Iterator[Any]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    for record in records if isinstance(records, list) else ():
        if isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs":
            try:
                yield from _records(json.loads(record.get("body", "")))
            except (TypeError, ValueError, RecursionError):
                continue
        else:
            yield record
