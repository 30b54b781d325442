"""Whether a request was signed by a key that this emulator knows (Signature Version 4)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

from botocore.auth import UNSIGNED_PAYLOAD, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localstack_image_functions.gateway.rules import GatewayRefusal

ALGORITHM = "AWS4-HMAC-SHA256"
AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<credential>[^, ]+), *SignedHeaders=(?P<signed>[^, ]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
MAX_SKEW_S = 15 * 60
MAX_EXPIRES_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Signed:
    """A request as it was sent. `target` is its raw path with query, `headers` by lower case.

    `body` gives the body's bytes; it is asked for only where no header carries their digest.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: Callable[[], bytes]


@dataclass(frozen=True)
class _Claim:
    access_key: str
    region: str
    service: str
    timestamp: str
    signed_headers: frozenset[str]
    signature: str
    expires_s: int | None


def check_signature(
    request: Signed, secret_of: Callable[[str], str | None], now: datetime | None = None
) -> GatewayRefusal | None:
    """Why the signature does not hold; None when it does.

    `secret_of` gives the secret of an access key, None for one that nobody was given.
    """
    path, _, query = request.target.partition("?")
    claim = _claim(request.headers, query)
    if claim is None:
        return GatewayRefusal(
            "MissingAuthenticationToken", "this emulator takes signed requests only"
        )
    secret = secret_of(claim.access_key)
    if secret is None:
        return GatewayRefusal(
            "InvalidClientTokenId",
            "this emulator takes its own lab's keys only: `facelab env` prints them",
        )
    if late := _out_of_time(claim, now or datetime.now(UTC)):
        return late
    if hmac.compare_digest(claim.signature, _sign(request, path, query, claim, secret)):
        return None
    return GatewayRefusal("SignatureDoesNotMatch", "the signature does not match the request")


def _claim(headers: Mapping[str, str], query: str) -> _Claim | None:
    """What the request says of its signature, in its header or its query."""
    expires_s: int | None = None
    if found := AUTHORIZATION.fullmatch(headers.get("authorization", "")):
        credential, signed, signature = found["credential"], found["signed"], found["signature"]
        timestamp = headers.get("x-amz-date", "")
    else:
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        if fields.get("X-Amz-Algorithm") != ALGORITHM:
            return None
        credential, timestamp = fields.get("X-Amz-Credential", ""), fields.get("X-Amz-Date", "")
        signed, signature = fields.get("X-Amz-SignedHeaders", ""), fields.get("X-Amz-Signature", "")
        expires = fields.get("X-Amz-Expires", "")
        expires_s = int(expires) if expires.isascii() and expires.isdecimal() else 0
    parts = credential.split("/")
    names = frozenset(signed.lower().split(";"))
    if len(parts) != 5 or parts[4] != "aws4_request" or "host" not in names:
        return None
    if not timestamp.startswith(parts[1]):
        return None
    return _Claim(parts[0], parts[2], parts[3], timestamp, names, signature, expires_s)


def _out_of_time(claim: _Claim, now: datetime) -> GatewayRefusal | None:
    try:
        signed = datetime.strptime(claim.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return GatewayRefusal("SignatureDoesNotMatch", "the request's date can't be read")
    age_s = (now - signed).total_seconds()
    if claim.expires_s is not None:
        if -MAX_SKEW_S <= age_s <= min(claim.expires_s, MAX_EXPIRES_S):
            return None
        return GatewayRefusal("AccessDenied", "Request has expired")
    if abs(age_s) <= MAX_SKEW_S:
        return None
    return GatewayRefusal("RequestTimeTooSkewed", f"the clocks differ by {age_s:.0f} s")


def _sign(request: Signed, path: str, query: str, claim: _Claim, secret: str) -> str:
    """The signature that this request has when `secret` signed it, by botocore's own rules."""
    presigned = claim.expires_s is not None
    if presigned:
        fields = [one for one in query.split("&") if not one.startswith("X-Amz-Signature=")]
        query = "&".join(fields)
    kind = S3SigV4Auth if claim.service == "s3" else SigV4Auth
    auth = kind(Credentials(claim.access_key, secret), claim.service, claim.region)
    headers = {name: request.headers.get(name, "") for name in sorted(claim.signed_headers)}
    url = f"http://{headers['host']}{path}" + (f"?{query}" if query else "")
    copy = AWSRequest(request.method, url, headers)
    copy.context["timestamp"] = claim.timestamp
    if "x-amz-content-sha256" not in headers:
        if presigned and claim.service == "s3":
            auth.payload = lambda _: UNSIGNED_PAYLOAD
        else:
            copy.data = request.body()
    return str(auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy))
