"""`/v2/…` on the gateway's port: the registry, for who has ECR's password."""

from __future__ import annotations

import http.client
import logging
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from localstack_image_functions.container.front import (
    BACKEND_TIMEOUT_S,
    CHUNK_BYTES,
    PORT,
    Refused,
)
from localstack_image_functions.container.tokens import Identity, tokens
from localstack_image_functions.gateway.rules import REGISTRY_HOST, host_name

LOG = logging.getLogger(__name__)
Serve = Callable[[Any, Any], None]
_OF_ONE_CONNECTION = frozenset({"connection", "transfer-encoding", "keep-alive", "date", "server"})


def asking_for_the_password(serve: Callable[[Identity, Any, Any], None]) -> Serve:
    """Serve a registry to who has a password of it, for the account and region of that."""

    def answer(request: Any, response: Any) -> None:
        try:
            identity = tokens.identity(request.headers.get("Authorization", ""))
            if identity is None:
                raise Refused(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
            _check_host(identity, request)
            serve(identity, request, response)
        except Refused as refused:
            refuse(request, response, refused)

    return answer


def passing_on(address: Callable[[], str]) -> Serve:
    """Pass what the gateway is asked on to the registry's front at `address`, which asks for the
    password."""

    def answer(request: Any, response: Any) -> None:
        connection = http.client.HTTPConnection(address(), PORT, timeout=BACKEND_TIMEOUT_S)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in (*_OF_ONE_CONNECTION, "expect")
        }
        body = iter(lambda: request.stream.read(CHUNK_BYTES), b"")
        chunked = "Content-Length" not in headers and request.method not in ("GET", "HEAD")
        try:
            connection.request(
                request.method, request.environ["RAW_URI"], body, headers, encode_chunked=chunked
            )
            answered = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            LOG.warning("the registry's front: %s %s: %s", request.method, request.path, error)
            connection.close()
            why = Refused(HTTPStatus.BAD_GATEWAY, "UNKNOWN", "the registry does not answer")
            refuse(request, response, why)
            return
        response.status_code = answered.status
        response.headers.clear()
        for name, value in answered.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                response.headers.add(name, value)
        response.response = _relayed(connection, answered)

    return answer


def refuse(request: Any, response: Any, refused: Refused) -> None:
    """Say why, in the form of the registry's errors."""
    response.status_code = int(refused.status)
    response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    response.headers["Content-Type"] = "application/json"
    if refused.status is HTTPStatus.UNAUTHORIZED:
        realm = f"http://{request.headers.get('Host', '')}/"
        response.headers["Www-Authenticate"] = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
    else:
        LOG.info("refused %s %.200r: %s", request.method, request.path, refused.message)
    response.data = refused.body


def _check_host(identity: Identity, request: Any) -> None:
    """A password opens the registry of one account and region, whatever name is asked for."""
    names = (host_name(request.headers.get("Host", "")), request.args.get("ns", ""))
    for name in names:
        match = re.fullmatch(REGISTRY_HOST, name)
        if match and (match["account"], match["region"]) != (identity.account, identity.region):
            raise Refused(
                HTTPStatus.FORBIDDEN, "DENIED", f"the password is not one of the registry {name}"
            )


def _relayed(
    connection: http.client.HTTPConnection, answered: http.client.HTTPResponse
) -> Iterator[bytes]:
    try:
        while piece := answered.read(CHUNK_BYTES):
            yield piece
    finally:
        connection.close()
