"""Puts the rules before everything else that LocalStack's gateway does."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from werkzeug.datastructures import ImmutableMultiDict

from localstack import config
from localstack_image_functions.gateway.rules import (
    LOOPBACK_NAMES,
    Allowed,
    Asked,
    GatewayRefusal,
    is_function_url,
    is_no_functions_concern,
    is_open_to_all,
    is_registry,
    refusal,
)
from localstack_image_functions.gateway.signatures import Signed, check_signature
from localstack_image_functions.urls.lookup import find_url

if TYPE_CHECKING:
    from rolo import Response

LOG = logging.getLogger(__name__)
FORM = "application/x-www-form-urlencoded"
DATED = "/20"
"""How paths of AWS's REST services begin: with the date of their version."""


def guard_gateway(
    own_names: tuple[str, ...],
    key_pair: tuple[str, str] | None = None,
    serve_registry: Callable[[Any, Any], None] | None = None,
    from_function: Callable[[Any], bool] = lambda _: False,
) -> None:
    """Refuse what web pages may send, before any handler sees it.

    `own_names` are further names by which clients may ask for the gateway. With `key_pair`,
    requests must be signed by it or by credentials of a role. `serve_registry` answers what
    `docker push` and `docker pull` ask for; `from_function` tells of a WSGI environment whether a
    function asks. Requests of LocalStack to itself
    in memory (IN_MEMORY_CLIENT=1) do not come this way.
    """
    from localstack.aws.gateway import Gateway
    from localstack.aws.handlers import cors

    allowed = replace(allowed_by(own_names), has_registry=serve_registry is not None)
    original: Callable[..., None] = Gateway.process

    def process(self: Gateway, request: Any, response: Response) -> None:
        asked = asked_by(request)
        if FORM in asked.headers.get("content-type", "") and (
            asked.method == "PUT" or asked.path.startswith(DATED)
        ):
            leave_body(request)
        why = refusal(asked, allowed)
        if is_no_functions_concern(asked, allowed) and from_function(request.environ):
            why = GatewayRefusal("AccessDenied", "this is not reachable from functions")
        if why is None and serve_registry and is_registry(asked, allowed):
            serve_registry(request, response)
            return
        if why is None and key_pair and not is_open_to_all(asked, allowed):
            why = check_signature(signed_by(request, asked), secrets_of(key_pair))
        if why is None:
            original(self, request, response)
        else:
            LOG.warning("refused %s %.200r: %s", request.method, request.path, why.message)
            refuse(request, response, why)

    Gateway.process = process
    enforced = cors.should_enforce_self_managed_service
    cors.should_enforce_self_managed_service = lambda context: (
        not is_function_url(asked_by(context.request), allowed) and enforced(context)
    )


def leave_body(request: Any) -> None:
    """Keep LocalStack, which looks for a form in every request, from reading this one's body: what
    `curl -d` sends would be lost, and what it should replace would be removed."""
    request.__dict__.setdefault("form", ImmutableMultiDict())


def allowed_by(own_names: tuple[str, ...]) -> Allowed:
    """What the gateway is called: this machine's names, the settings' own, and CORS' origins."""
    machine = socket.gethostname().lower()
    names = {
        *LOOPBACK_NAMES,
        *own_names,
        config.LOCALSTACK_HOST.host.lower(),
        machine,
        f"{machine.partition('.')[0]}.local",
        "localstack",  # of a Compose project
        "host.docker.internal",
    }
    origins = config.EXTRA_CORS_ALLOWED_ORIGINS or ""
    return Allowed(
        names=frozenset(names),
        origins=frozenset(origin.strip() for origin in origins.split(",")) - {""},
        has_function_url=has_function_url,
    )


def has_function_url(url_id: str) -> bool:
    """Whether a function of any account and region has a URL with this id."""
    return find_url(url_id) is not None


def asked_by(request: Any) -> Asked:
    """What the guard looks at of a request."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = request.environ.get("QUERY_STRING") or ""
    return Asked(request.method, request.path, query, headers)


def signed_by(request: Any, asked: Asked) -> Signed:
    """What a signature covers of a request."""
    return Signed(asked.method, request.environ["RAW_URI"], asked.headers, request.get_data)


def secrets_of(key_pair: tuple[str, str] | None) -> Callable[[str], str | None]:
    """Secrets by access key: the lab's own pair, if it has one, and what roles were given, as
    functions are."""
    from moto.sts.models import sts_backends

    def secret_of(access_key: str) -> str | None:
        if key_pair and access_key == key_pair[0]:
            return key_pair[1]
        for partitions in list(sts_backends.values()):
            for backend in list(partitions.values()):
                role = backend.get_assumed_role_from_access_key(access_key)
                if role is not None:
                    return str(role.secret_access_key)
        return None

    return secret_of


def refuse(request: Any, response: Response, why: GatewayRefusal) -> None:
    """Say it in the form that the client's protocol reads."""
    response.status_code = why.status
    response.headers["x-amzn-errortype"] = why.code
    kind = request.headers.get("content-type", "")
    if "json" in kind or "x-amz-target" in request.headers:
        response.mimetype = "application/json"
        response.data = json.dumps({"__type": why.code, "message": why.message})
    else:
        response.mimetype = "application/xml"
        response.data = (
            f"<ErrorResponse><Error><Code>{why.code}</Code>"
            f"<Message>{escape(why.message)}</Message></Error></ErrorResponse>"
        )
