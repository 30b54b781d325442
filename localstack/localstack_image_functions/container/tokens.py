"""The passwords that ECR hands out for its registry: good for twelve hours, for one account."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

USER = "AWS"
LIFE_S = 12 * 3600


@dataclass(frozen=True)
class Identity:
    """Whose registry a password opens. `engine` is the emulator itself, which only pulls."""

    account: str
    region: str
    engine: bool = False


class RegistryTokens:
    """Issues passwords and knows them again; an emulator's end is theirs too."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock

    def issue(self, identity: Identity) -> tuple[str, datetime]:
        """A password, and when it expires."""
        expires = int(self._clock()) + LIFE_S
        facts = [identity.account, identity.region, identity.engine, expires]
        payload = base64.urlsafe_b64encode(json.dumps(facts).encode()).decode()
        return f"{payload}.{self._sign(payload)}", datetime.fromtimestamp(expires, UTC)

    def login(self, identity: Identity) -> dict[str, str]:
        """What the container engine wants to pull or push."""
        return {"username": USER, "password": self.issue(identity)[0]}

    def identity(self, authorization: str) -> Identity | None:
        """Whose an `Authorization: Basic` header is; None for nobody's, forged or expired."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        payload, _, signature = password.partition(".")
        if user != USER or not hmac.compare_digest(
            signature.encode(), self._sign(payload).encode()
        ):
            return None
        account, region, engine, expires = json.loads(base64.urlsafe_b64decode(payload))
        return Identity(account, region, engine) if self._clock() < expires else None

    def _sign(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()


tokens = RegistryTokens()
