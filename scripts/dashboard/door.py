"""Who may ask the dashboard for what: this machine's own page, and no other.

Every page that a browser on this machine shows can send requests to loopback: by an image, a
form, a script, or a name of its own that points to 127.0.0.1 (DNS rebinding). None can choose
the Host and Origin that the browser writes, nor read the token that stands in our page.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-facelab-token"  # noqa: S105  a header's name
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
READING = ("GET", "HEAD")
FOREIGN_SITES = ("cross-site", "same-site")  # another port of localhost is the same site
MOST_BYTES = 64 * 1024
# What the page may do: its own files and its own server, nothing inline.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Door:
    """The rules of one server. `token` is made anew with each start."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def refusal(self, method: str, headers: Mapping[str, str]) -> str | None:
        """Why a request with these (lower-case) headers is refused; None when it is not."""
        host = headers.get("host", "").lower()
        if host not in {f"{name}:{self.port}" for name in LOOPBACK_NAMES}:
            return "the dashboard is not called that"
        is_foreign = headers.get("sec-fetch-site") in FOREIGN_SITES
        if method in READING:
            is_link = headers.get("sec-fetch-mode") == "navigate"
            return "a request of another page" if is_foreign and not is_link else None
        if is_foreign or headers.get("origin") != f"http://{host}":
            return "a change that another page asks for"
        given = headers.get(TOKEN_HEADER, "")
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return "the page is of an earlier start: load it again"
        if not headers.get("content-length", "0").isdecimal():
            return "a request of unknown length"
        if int(headers.get("content-length", "0")) > MOST_BYTES:
            return f"more than {MOST_BYTES} bytes"
        return None


class Guarded:
    """An ASGI application behind a door; every answer carries the page's limits."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        why = self._door.refusal(scope["method"], Headers(scope=scope))
        if why is not None:
            await JSONResponse({"error": why}, status_code=403)(scope, receive, limited)
            return
        await self._app(scope, receive, limited)
