"""A request as the event that a function gets: payload format version 2.0. Pure."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

# AWS passes these as text; whatever else it passes in base64.
_TEXTS = ("text/", "application/json", "application/javascript", "application/xml")
_TEXT_ENDS = ("+json", "+xml")


@dataclass(frozen=True)
class Caller:
    """Who signed a request, for AWS_IAM; nobody otherwise."""

    account: str
    access_key: str


@dataclass(frozen=True)
class HttpRequest:
    """A request to a function URL. `path` begins with a slash and is as it was sent.

    `headers` may name a header several times; `host` is what the client asked for.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    host: str
    source_ip: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str:
        return ",".join(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True)
class Arrival:
    """What Lambda adds of its own."""

    url_id: str
    caller: Caller | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def event_of(request: HttpRequest, arrival: Arrival) -> dict[str, Any]:
    """The event. Fields that AWS leaves out when there is nothing in them are left out."""
    headers = _joined((name.lower(), value) for name, value in request.headers)
    cookies = [part.strip() for part in headers.pop("cookie", "").split(";") if part.strip()]
    host, _, port = request.host.rpartition(":") if ":" in request.host else (request.host, "", "")
    headers |= {
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": port or "80",
        "x-forwarded-proto": "http",
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": dict(sorted(headers.items())),
        "requestContext": _context(request, arrival, host),
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _joined(parse_qsl(request.query, keep_blank_values=True))
    if request.body:
        event |= _body(request)
    return event


def _context(request: HttpRequest, arrival: Arrival, host: str) -> dict[str, Any]:
    caller = arrival.caller
    context: dict[str, Any] = {
        "accountId": caller.account if caller else "anonymous",
        "apiId": arrival.url_id,
        "domainName": host,
        "domainPrefix": arrival.url_id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent"),
        },
        "requestId": arrival.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": arrival.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(arrival.at.timestamp() * 1000),
    }
    if caller:
        arn = f"arn:aws:iam::{caller.account}:root"
        context["authorizer"] = {
            "iam": {
                "accessKey": caller.access_key,
                "accountId": caller.account,
                "callerId": caller.account,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": arn,
                "userId": caller.account,
            }
        }
    return context


def _body(request: HttpRequest) -> dict[str, Any]:
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if kind.startswith(_TEXTS) or kind.endswith(_TEXT_ENDS):
        try:
            return {"body": request.body.decode()}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names once, with their values between commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
