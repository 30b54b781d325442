"""Function URLs in LocalStack: found by host name or by path, answered as AWS would."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localstack.aws.api import ServiceException
from localstack.aws.api.lambda_ import InvocationType, TooManyRequestsException
from localstack.aws.protocol.serializer import gen_amzn_requestid
from localstack.services.lambda_ import api_utils, urlrouter
from localstack.utils.aws.request_context import extract_account_id_from_auth_header
from localstack.utils.urls import localstack_host
from rolo import Request, Response

from localstack_image_functions.gateway.guard import asked_by, secrets_of, signed_by
from localstack_image_functions.gateway.rules import URL_PREFIX
from localstack_image_functions.gateway.signatures import check_signature
from localstack_image_functions.urls.answers import Cors, HttpResponse, failure, response_of
from localstack_image_functions.urls.events import Arrival, Caller, HttpRequest, event_of
from localstack_image_functions.urls.lookup import address_of, find_url

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionUrlConfig

LOG = logging.getLogger(__name__)

MOST_BYTES = 6 * 1024 * 1024
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/ ,]+)/")
FORBIDDEN = HttpResponse(
    403, (("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException")),
    b'{"Message":"Forbidden"}',
)  # fmt: skip
UNKNOWN = replace(FORBIDDEN, body=b'{"Message":null}')
"""What AWS says at an address that is no function's."""


class UrlRouter(urlrouter.FunctionUrlRouter):
    """In place of LocalStack's. `key_pair` as for the gateway."""

    key_pair: tuple[str, str] | None = None

    def register_routes(self) -> None:
        if not self.registered:
            for path in ("<url_id>", "<url_id>/", "<url_id>/<path:path>"):
                self.router.add(f"{URL_PREFIX}{path}", self._by_path)
        super().register_routes()

    def handle_lambda_url_invocation(
        self, request: Request, api_id: str, region: str, **_: str
    ) -> Response:
        return self._answer(request, api_id, _raw_path(request))

    def _by_path(self, request: Request, url_id: str, path: str = "") -> Response:
        raw = _raw_path(request).removeprefix(URL_PREFIX).partition("/")[2]
        response = self._answer(request, url_id, f"/{raw}")
        # Its pages share the gateway's origin, and must not act as the gateway's own.
        response.headers["Content-Security-Policy"] = "sandbox allow-scripts allow-forms"
        return response

    def _answer(self, request: Request, url_id: str, path: str) -> Response:
        config = find_url(url_id)
        if config is None:
            return _sent(UNKNOWN)
        cors, origin = Cors.of(config.cors), request.headers.get("Origin", "")
        is_preflight = "Access-Control-Request-Method" in request.headers
        if cors.configured and request.method == "OPTIONS" and is_preflight:
            return _sent(cors.preflight(origin))
        answer = self._invoked(request, config, path)
        # The settings win over what the function says of its own.
        added = cors.answer(origin)
        named = {name.lower() for name, _ in added}
        kept = [pair for pair in answer.headers if pair[0].lower() not in named]
        return _sent(HttpResponse(answer.status, (*kept, *added), answer.body))

    def _invoked(self, request: Request, config: FunctionUrlConfig, path: str) -> HttpResponse:
        caller = None
        if config.auth_type == "AWS_IAM":
            caller = self._caller(request)
            if caller is None:
                return FORBIDDEN
        asked = _http_request(request, path)
        if len(asked.body) > MOST_BYTES:
            return failure(413, "Request must be smaller than 6291456 bytes")
        event = event_of(asked, Arrival(config.url_id, caller))
        named = api_utils.FULL_FN_ARN_PATTERN.search(config.function_arn)
        assert named is not None  # noqa: S101  LocalStack wrote it
        try:
            result = self.lambda_service.invoke(
                function_name=named["function_name"],
                qualifier=named["qualifier"],
                account_id=named["account_id"],
                region=named["region_name"],
                invocation_type=InvocationType.RequestResponse,
                client_context=None,
                payload=json.dumps(event).encode(),
                request_id=gen_amzn_requestid(),
            )
        except TooManyRequestsException:
            return failure(429, "Rate Exceeded.", "TooManyRequestsException")
        except ServiceException as error:
            LOG.warning("the URL of %s answers 502: %s", named["function_name"], error)
            return failure(502, "Internal Server Error")
        if result.is_error:
            return failure(502, "Internal Server Error")
        answer = response_of(result.payload or b"null")
        ids = (("x-amzn-RequestId", result.request_id),)
        return HttpResponse(answer.status, (*answer.headers, *ids), answer.body)

    def _caller(self, request: Request) -> Caller | None:
        """Who signed the request; None when nobody whom this emulator knows did."""
        found = _CREDENTIAL.match(request.headers.get("Authorization", ""))
        if found is None:
            return None
        if self.key_pair:
            signed = signed_by(request, asked_by(request))
            if check_signature(signed, secrets_of(self.key_pair)):
                return None
        return Caller(extract_account_id_from_auth_header(request.headers) or "", found["key"])


def serve_function_urls(key_pair: tuple[str, str] | None, form: str) -> None:
    """Let LocalStack route function URLs here, and tell addresses that every machine finds.

    It tells `http://<id>.lambda-url.<region>.<host>/`, which goes on to work, and is told where
    `form` is `name`; but few resolvers know names below `localhost`, and none that is offline
    one below `localhost.localstack.cloud`.
    """
    original = api_utils.map_function_url_config

    def map_function_url_config(config: FunctionUrlConfig) -> Any:
        told, host = original(config), localstack_host().host_and_port()
        region = config.function_arn.split(":")[3]
        told["FunctionUrl"] = address_of(config.url_id, region, host, form)
        return told

    UrlRouter.key_pair = key_pair
    api_utils.map_function_url_config = map_function_url_config
    urlrouter.FunctionUrlRouter = UrlRouter  # before the provider is imported


def _http_request(request: Request, path: str) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=path,
        query=request.environ.get("QUERY_STRING") or "",
        headers=tuple(
            (name, value)
            for name, value in request.headers.items()
            if not name.lower().startswith("x-localstack-") and name.lower() != "connection"
        ),
        body=request.get_data(),
        host=request.headers.get("Host", ""),
        source_ip=request.remote_addr or "",
        protocol=request.environ.get("SERVER_PROTOCOL") or "HTTP/1.1",
    )


def _raw_path(request: Request) -> str:
    """The path as it was sent."""
    return str(request.environ.get("RAW_URI") or request.path).partition("?")[0] or "/"


def _sent(answer: HttpResponse) -> Response:
    response = Response(answer.body, status=answer.status)
    response.headers.clear()
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response
