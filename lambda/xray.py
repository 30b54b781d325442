"""A clip's spans for AWS X-Ray: subsegments of the invocation that Lambda traces itself.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html: a document goes
to the daemon that AWS runs beside the function (AWS_XRAY_DAEMON_ADDRESS), over UDP, by the trace
header of the invocation (_X_AMZN_TRACE_ID). Where AWS does not sample it, nothing is sent.

Lambda's trace begins with the invocation. A clip that brings a trace of its own has that one too,
from the shutter on: two segments, the device's as far as the clip tells of it, and ours.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.spans import Span
from contract.traces import ClipTrace

DAEMON = "AWS_XRAY_DAEMON_ADDRESS"
TRACE_HEADER = "_X_AMZN_TRACE_ID"
DATAGRAM_HEAD = b'{"format": "json", "version": 1}\n'
MAX_DOCUMENT_BYTES = 64_000  # X-Ray takes 64 kB
# What a trace may be searched by. They name no person.
ANNOTATIONS = ("clip_id", "device_id", "status", "trace_id")
CAMERA, FUNCTION = "facelab-camera", "facelab-function"


@dataclass(frozen=True)
class TraceHeader:
    """The invocation's trace: its id, and Lambda's own segment, which ours lie in."""

    trace_id: str
    parent_id: str
    is_sampled: bool

    @classmethod
    def current(cls, environment: Mapping[str, str] = os.environ) -> TraceHeader:
        """That of the running invocation, as Lambda gives it; of nothing where it gives none."""
        return cls.of(environment.get(TRACE_HEADER, ""))

    @classmethod
    def of(cls, text: str) -> TraceHeader:
        """`Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`."""
        parts = dict(part.partition("=")[::2] for part in text.split(";"))
        root, parent = parts.get("Root", ""), parts.get("Parent", "")
        return cls(root, parent, bool(root and parent) and parts.get("Sampled") == "1")


class XRay:
    """Sends each sampled clip's document. Made once; nobody waits for it, and it never fails."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._address = daemon_address(environment.get(DAEMON, ""))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if self._address else None

    def __call__(
        self, fields: Mapping[str, Any], spans: Sequence[Span], trace: ClipTrace | None = None
    ) -> None:
        """`fields` are those of the clip's line in the log, `trace` what its device began."""
        header = TraceHeader.current(self._environment)
        if self._socket is None or self._address is None or not header.is_sampled:
            return
        own = segments(trace, fields, spans) if trace else []
        for found in (subsegment(header, fields, spans), *own):
            document = json.dumps(found, separators=(",", ":")).encode()
            if len(document) > MAX_DOCUMENT_BYTES:
                continue
            try:
                self._socket.sendto(DATAGRAM_HEAD + document, self._address)
            except OSError:
                return  # a trace is worth less than the answer


def daemon_address(text: str) -> tuple[str, int] | None:
    """`host:port`, or `tcp:host:port udp:host:port`; None without a daemon."""
    for part in text.split():
        kind, _, rest = part.partition(":")
        if kind == "tcp":
            continue
        host, _, port = (rest if kind == "udp" else part).rpartition(":")
        if host and port.isdecimal():
            return host, int(port)
    return None


def subsegment(
    header: TraceHeader, fields: Mapping[str, Any], spans: Sequence[Span]
) -> dict[str, Any]:
    """The function's answer to one clip, its stages inside.

    A summed span is drawn where it would lie in one piece; its start-up Lambda shows itself.
    """
    place = {"type": "subsegment", "trace_id": header.trace_id, "parent_id": header.parent_id}
    return _answer(fields, spans) | place


def segments(
    trace: ClipTrace, fields: Mapping[str, Any], spans: Sequence[Span]
) -> list[dict[str, Any]]:
    """The clip's own trace: our answer, and before it the recording, where the clip says when that
    was. What the device does later it tells nobody but its own files."""
    ours = _answer(fields, spans) | {"name": FUNCTION, "trace_id": trace.xray_id}
    began_ms, ended_ms = fields.get("capture_start_ms"), fields.get("capture_end_ms")
    if began_ms is None or ended_ms is None:
        return [ours]
    answered_ms = max(ended_ms, ours["end_time"] * 1000)
    recording = Span("camera", "record", began_ms, ended_ms - began_ms)
    away = Span("camera", FUNCTION, ended_ms, answered_ms - ended_ms)
    inside = [_timed(recording), _timed(away) | {"id": trace.span_id, "namespace": "remote"}]
    whole = Span("camera", CAMERA, began_ms, answered_ms - began_ms)
    camera = _timed(whole, inside) | {"trace_id": trace.xray_id}
    return [camera, ours | {"parent_id": trace.span_id}]


def _answer(fields: Mapping[str, Any], spans: Sequence[Span]) -> dict[str, Any]:
    answer = next(span for span in spans if span.name == "answer")
    inside = [span for span in spans if span.name not in ("answer", "init")]
    stages = [
        _timed(span, [_timed(part) for part in inside if part.parent == span.name])
        for span in inside
        if not span.parent
    ]
    told = {"annotations": {name: fields[name] for name in ANNOTATIONS if name in fields}}
    return (
        _timed(answer, stages)
        | told
        | ({"fault": True} if fields.get("status") == "failed" else {})
    )


def _timed(span: Span, inside: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    part: dict[str, Any] = {
        "name": span.name,
        "id": os.urandom(8).hex(),
        "start_time": round(span.start_ms / 1000, 6),
        "end_time": round(span.end_ms / 1000, 6),
    }
    return part | ({"subsegments": list(inside)} if inside else {})
