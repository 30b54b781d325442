"""What a function returned, as the response that its client gets. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
BAD_GATEWAY = 502


@dataclass(frozen=True)
class HttpResponse:
    """`headers` may name a header several times (cookies)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def failure(status: int, message: str, error_type: str | None = None) -> HttpResponse:
    """An answer of Lambda's own."""
    named = (("x-amzn-ErrorType", error_type),) if error_type else ()
    body = json.dumps({"Message": message}).encode()
    return HttpResponse(status, (("Content-Type", JSON), *named), body)


def response_of(payload: bytes) -> HttpResponse:
    """A result with a `statusCode` says what to answer; any other is the body, as JSON."""
    try:
        result = json.loads(payload)
    except (ValueError, RecursionError):
        return failure(BAD_GATEWAY, "Internal Server Error")
    if not isinstance(result, dict) or "statusCode" not in result:
        return HttpResponse(200, (("Content-Type", JSON),), json.dumps(result).encode())
    try:
        return _as_function_says(result)
    except (TypeError, ValueError, AttributeError):
        return failure(BAD_GATEWAY, "Internal Server Error")


def _as_function_says(result: Mapping[str, Any]) -> HttpResponse:
    status = int(result["statusCode"])
    if not 100 <= status <= 599:
        raise ValueError(status)
    headers = [(str(name), _text(value)) for name, value in (result.get("headers") or {}).items()]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", JSON))
    headers += [("Set-Cookie", str(cookie)) for cookie in result.get("cookies") or ()]
    body = result.get("body")
    if body is None:
        data = b""
    elif result.get("isBase64Encoded"):
        data = base64.b64decode(body, validate=True)
    else:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
    return HttpResponse(status, tuple(headers), data)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Cors:
    """A function URL's CORS settings."""

    origins: Sequence[str] = ()
    methods: Sequence[str] = ()
    headers: Sequence[str] = ()
    exposed: Sequence[str] = ()
    credentials: bool = False
    max_age_s: int | None = None
    configured: bool = field(default=True)

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Cors:
        if not settings:
            return cls(configured=False)
        return cls(
            origins=settings.get("AllowOrigins") or (),
            methods=settings.get("AllowMethods") or (),
            headers=settings.get("AllowHeaders") or (),
            exposed=settings.get("ExposeHeaders") or (),
            credentials=bool(settings.get("AllowCredentials")),
            max_age_s=settings.get("MaxAge"),
        )

    def answer(self, origin: str) -> list[tuple[str, str]]:
        """What a response to a page of `origin` carries; nothing for one that is not allowed."""
        if not self.configured or not origin or not {"*", origin} & set(self.origins):
            return []
        found = [("Access-Control-Allow-Origin", origin if origin in self.origins else "*")]
        if self.credentials:
            found = [("Access-Control-Allow-Origin", origin)]
            found.append(("Access-Control-Allow-Credentials", "true"))
        if self.exposed:
            found.append(("Access-Control-Expose-Headers", ",".join(self.exposed)))
        return [*found, ("Vary", "Origin")]

    def preflight(self, origin: str) -> HttpResponse:
        """The answer to a preflight, which the function never sees."""
        headers = self.answer(origin)
        if headers and self.methods:
            headers.append(("Access-Control-Allow-Methods", ",".join(self.methods)))
        if headers and self.headers:
            headers.append(("Access-Control-Allow-Headers", ",".join(self.headers)))
        if headers and self.max_age_s is not None:
            headers.append(("Access-Control-Max-Age", str(self.max_age_s)))
        return HttpResponse(200, tuple(headers))
