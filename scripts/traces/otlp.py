"""Traces for other people's tools: OpenTelemetry's protocol as JSON over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp: a POST of resource spans to `/v1/traces` of
the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from contract.traces import ClipTrace, span_id
from scripts.errors import LabError
from scripts.traces.waterfall import SpanRow, Waterfall

ENDPOINT, TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
TIMEOUT_S = 10
KIND_INTERNAL, STATUS_ERROR = 1, 2
_XRAY = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")


class NotExported(LabError):
    """The collector did not take the spans."""


def collector(environment: Mapping[str, str]) -> str | None:
    """Where spans go, as OpenTelemetry's own exporters read it; None where nobody asks."""
    if named := environment.get(TRACES_ENDPOINT):
        return named
    base = environment.get(ENDPOINT)
    return f"{base.rstrip('/')}/v1/traces" if base else None


def export(found: Waterfall, url: str, environment: Mapping[str, str]) -> None:
    """Send one clip's spans.

    Raises
    ------
    NotExported
    """
    if not url.startswith(("http://", "https://")):
        raise NotExported(f"{url} is no http address", f"{ENDPOINT}=http://127.0.0.1:4318")
    headers = {"content-type": "application/json"} | _headers(environment.get(HEADERS, ""))
    asked = Request(url, json.dumps(resource_spans(found)).encode(), headers)  # noqa: S310  checked
    try:
        with urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310  checked
            answer.read()
    except (URLError, OSError) as error:
        hint = "is the collector up, and does it take OTLP over HTTP?"
        raise NotExported(f"{url}: {error}", hint) from error


def resource_spans(found: Waterfall) -> dict[str, Any]:
    """One resource for each station; gaps are nobody's spans and stay out."""
    stations = dict.fromkeys(row.station for row in found.rows if row.station != "gap")
    root = span_id(trace_id(found), "clip")
    whole = {
        **_span(found, root, "", "clip", found.start_ms, found.total_ms),
        "attributes": _attributes(
            {"facelab.clip_id": found.clip_id, "facelab.device_id": found.device_id,
             "facelab.status": found.status, "aws.xray.trace_id": found.trace_id}
        ),
    }  # fmt: skip
    if found.status == "failed":
        whole["status"] = {"code": STATUS_ERROR}
    groups = [_group("facelab", [whole])]
    for station in stations:
        rows = [row for row in found.rows if row.station == station]
        groups.append(_group(f"facelab-{station}", [_row(found, row, root) for row in rows]))
    return {"resourceSpans": groups}


def _row(found: Waterfall, row: SpanRow, root: str) -> dict[str, Any]:
    of, parent = trace_id(found), {1: "answer", 2: "recognize"}.get(row.level)
    above = span_id(of, f"{row.station}/{parent}") if parent else root
    span = _span(
        found,
        span_id(of, f"{row.station}/{row.name}"),
        above,
        row.name,
        found.start_ms + row.offset_ms,
        row.duration_ms,
    )
    return span | {"attributes": _attributes({"facelab.summed": row.summed})}


def _span(
    found: Waterfall, span_id: str, parent: str, name: str, start_ms: float, duration_ms: float
) -> dict[str, Any]:
    start_ns = round(start_ms * 1e6)
    span = {
        "traceId": trace_id(found),
        "spanId": span_id,
        "name": name,
        "kind": KIND_INTERNAL,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + round(duration_ms * 1e6)),
    }
    return span | ({"parentSpanId": parent} if parent else {})


def trace_id(found: Waterfall) -> str:
    """The clip's own, or X-Ray's, so that both tools show one trace; else one made of the clip's
    id."""
    parts = _XRAY.fullmatch(found.trace_id)
    if parts:
        return parts[1] + parts[2]
    return ClipTrace.of(found.device_id, found.clip_id).trace_id


def _group(service: str, spans: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resource": {"attributes": _attributes({"service.name": service})},
        "scopeSpans": [{"scope": {"name": "facelab"}, "spans": spans}],
    }


def _attributes(values: Mapping[str, str | bool]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"boolValue" if isinstance(one, bool) else "stringValue": one}}
        for key, one in values.items()
        if one != ""
    ]


def _headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, as OpenTelemetry's setting has them."""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}
