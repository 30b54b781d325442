"""Which requests the gateway refuses because they may come from a web page. Pure decisions.

An emulator on loopback is reached by every page that this machine's browser shows: by an
`<img>` that asks for `…?Action=SendMessage`, by a form, by a name that an attacker lets point to
127.0.0.1 (DNS rebinding). Such a page cannot send an Authorization header without asking first,
and cannot leave out what its browser says of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

FOREIGN_SITES = ("cross-site", "same-site")  # another port of localhost is the same site
SIGNED = ("AWS4-", "AWS ")
PRESIGNED = ({"x-amz-signature", "x-amz-credential"}, {"signature", "awsaccesskeyid"})
FUNCTION_URL = "lambda-url"
URL_PREFIX = "/_aws/lambda-url/"
REGISTRY_PATH = re.compile(
    r"/v2/?|/v2/_catalog|/v2/.+/(manifests/[^/]+|blobs/(uploads/[^/]*|[^/]+)|tags/list|referrers/.+)"
)
REGISTRY_HOST = r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
OTHER_HEADERS = {
    f"response-{name}"
    for name in (
        "cache-control", "content-disposition", "content-encoding", "content-language",
        "content-type", "expires",
    )
}  # fmt: skip
PUBLIC_HOSTS = ("execute-api", "s3-website")
# What LocalStack's router serves whatever the host is called.
OF_AWS = (URL_PREFIX, "/_aws/execute-api/")
OWN_PAGES = ("/_localstack/", "/_aws/")
RESERVED_PATHS = ("/_", "/queue/", "/restapis/")
LOOPBACK_NAMES = ("localhost", "localhost.localstack.cloud")


@dataclass(frozen=True)
class Asked:
    """A request's head. `headers` are by lower-case name, `path` is decoded, `query` is not."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def host(self) -> str:
        return self.headers.get("host", "")


@dataclass(frozen=True)
class Allowed:
    """Names (with all names below them) by which the gateway is asked for; origins of pages.

    `has_function_url` says whether a function has the URL that begins with this id; with
    `has_registry` the gateway's port serves a registry, too.
    """

    names: frozenset[str] = frozenset(LOOPBACK_NAMES)
    origins: frozenset[str] = frozenset()
    has_function_url: Callable[[str], bool] = lambda _: False
    has_registry: bool = False


@dataclass(frozen=True)
class GatewayRefusal:
    """Why a request gets no further, in AWS's words and in ours."""

    code: str
    message: str
    status: int = 403


def refusal(asked: Asked, allowed: Allowed) -> GatewayRefusal | None:
    """Why this request is refused; None when it is not."""
    name = host_name(asked.host)
    registry = is_registry(asked, allowed)
    of_ecr = registry and re.fullmatch(REGISTRY_HOST, name)
    if name and not of_ecr and not _is_ours(name, allowed.names):
        return GatewayRefusal(
            "InvalidHost",
            f"the gateway is not called {name!r}; name it in IMAGE_FUNCTIONS_HOSTS if it is",
        )
    if is_function_url(asked, allowed):
        return None
    presigned_read = _is_presigned_read(asked)
    if not presigned_read and (page := _foreign_page(asked, allowed)):
        return GatewayRefusal(
            "AccessDenied",
            f"a request of a web page ({page}); EXTRA_CORS_ALLOWED_ORIGINS lets pages in",
        )
    if _wants_other_headers(asked) and not _is_signed(asked):
        return GatewayRefusal(
            "InvalidRequest",
            "Request specific response headers cannot be used for anonymous GET requests.",
            400,
        )
    if not (registry or presigned_read or _is_signed(asked) or _is_public(asked, name)):
        return GatewayRefusal(
            "MissingAuthenticationToken",
            "Missing Authentication Token: sign the request, dummy credentials will do",
        )
    return None


def is_registry(asked: Asked, allowed: Allowed) -> bool:
    """What `docker push` and `docker pull` ask for, which the registry's own password opens."""
    return (
        allowed.has_registry
        and asked.path.startswith("/v2")
        and REGISTRY_PATH.fullmatch(asked.path) is not None
        and not _is_signed(asked)
        and not any(part in (FUNCTION_URL, *PUBLIC_HOSTS) for part in asked.host.split("."))
    )


def is_no_functions_concern(asked: Asked, allowed: Allowed) -> bool:
    """What AWS does not have, or not for functions: the emulator's own pages, by one of which it
    ends, and the registry. How the emulator is, they may ask."""
    own_page = asked.path.startswith(OWN_PAGES) and not asked.path.startswith(OF_AWS)
    return is_registry(asked, allowed) or (own_page and not is_open_to_all(asked, allowed))


def is_open_to_all(asked: Asked, allowed: Allowed) -> bool:
    """What is served without a signature where signatures are demanded."""
    readiness = asked.method in ("GET", "HEAD") and asked.path.startswith(
        ("/_localstack/health", "/_localstack/init", "/_localstack/info")
    )
    return readiness or is_function_url(asked, allowed)


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets; lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_ours(name: str, names: frozenset[str]) -> bool:
    """An address cannot be made to point elsewhere, nor can what an SDK makes of one
    (`<account>.127.0.0.1`), which no name server knows; a name can, unless we know it."""
    try:
        ipaddress.ip_address(name if ":" in name else ".".join(name.split(".")[-4:]))
    except ValueError:
        return any(name == ours or name.endswith(f".{ours}") for ours in names)
    return True


def _wants_other_headers(asked: Asked) -> bool:
    """Whether an object is to be sent with headers that the request names."""
    return (
        "response-" in asked.query
        and asked.method in ("GET", "HEAD")
        and not asked.path.startswith(RESERVED_PATHS)
        and any(name in OTHER_HEADERS for name, _ in parse_qsl(asked.query, keep_blank_values=True))
    )


def is_function_url(asked: Asked, allowed: Allowed) -> bool:
    """A function's own URL takes what it is sent, from pages too. It has to exist: a made-up
    one is a way around these rules to whatever answers in its place."""
    if asked.path.startswith(URL_PREFIX):
        return allowed.has_function_url(
            asked.path.removeprefix(URL_PREFIX).partition("/")[0].lower()
        )
    first, _, rest = host_name(asked.host).partition(".")
    return (
        rest.partition(".")[0] == FUNCTION_URL
        and not asked.path.startswith(RESERVED_PATHS)
        and allowed.has_function_url(first)
    )


def _foreign_page(asked: Asked, allowed: Allowed) -> str | None:
    """The page that this comes from, when it is none of ours."""
    ours = {f"http://{asked.host}", f"https://{asked.host}", *allowed.origins}
    if "*" in allowed.origins:
        return None
    origin = asked.headers.get("origin")
    if origin is None and (referer := asked.headers.get("referer")):
        parts = urlsplit(referer)
        origin = f"{parts.scheme}://{parts.netloc}"
    if origin is not None:
        return None if origin in ours else origin[:200]
    site = asked.headers.get("sec-fetch-site")
    return site if site in FOREIGN_SITES else None


def _is_signed(asked: Asked) -> bool:
    return asked.headers.get("authorization", "").startswith(SIGNED) or _is_presigned(asked)


def _is_presigned(asked: Asked) -> bool:
    names = {name.lower() for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
    return any(wanted <= names for wanted in PRESIGNED)


def _is_presigned_read(asked: Asked) -> bool:
    """An object by a presigned URL, which pages may show. Query APIs act on a GET, too."""
    return (
        asked.method in ("GET", "HEAD")
        and _is_presigned(asked)
        and not _has_action(asked)
        and not asked.path.startswith(RESERVED_PATHS)
    )


def _is_public(asked: Asked, name: str) -> bool:
    """What programs ask for without credentials: the emulator's own pages, uploads by a form
    with a policy, API stages, websites of buckets."""
    path = asked.path
    if path.startswith(OWN_PAGES):
        return True
    if path.startswith("/restapis/"):
        return "/_user_request_" in path
    if any(part in PUBLIC_HOSTS for part in name.split(".")[1:]):
        return not _has_action(asked) and not path.startswith(RESERVED_PATHS)
    form = asked.headers.get("content-type", "").startswith("multipart/form-data")
    return asked.method == "POST" and form and path.strip("/") != ""


def _has_action(asked: Asked) -> bool:
    return any(
        name.lower() == "action" for name, _ in parse_qsl(asked.query, keep_blank_values=True)
    )
