"""What the pages of Lambda say of its parameters beyond its model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.api.lambda_ import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    RequestTooLargeException,
)

from localstack_image_functions.bounds.model import says
from localstack_image_functions.bounds.reserved import VARIABLES
from localstack_image_functions.runtime.body import CONTEXT_REFUSAL, read_client_context

MOST = {"Timeout": 900, "MemorySize": 10_240}
"""For functions without a capacity provider, which the API's own bounds are for."""
LONGEST_TIMEOUT_S = 5_400
MOST_TAGS = 50
LARGEST_PAYLOAD = 6 * 2**20
LARGEST_EVENT = 2**20
MOST_FILTERS = 5
NOT_HERE = {
    "DurableConfig": "durable functions",
    "TenancyConfig": "environments of each tenant",
}
"""What makes another kind of function, which would run as any other here."""


def refused(message: str) -> InvalidParameterValueException:
    """What Lambda answers to a request that it does not take."""
    return InvalidParameterValueException(message, Type="User")


def _create(request: Mapping[str, Any]) -> None:
    _settings(request)
    if len(request.get("Tags") or ()) > MOST_TAGS:  # LocalStack says so of a function that it made
        raise refused("Number of tags exceeds resource tag limit.")
    is_image = request.get("PackageType") == "Image"
    if is_image and request.get("Handler"):
        raise refused("Please don't provide a handler when using a container image.")
    if not is_image and request.get("Runtime") and not request.get("Handler"):
        raise refused("Runtime and Handler are mandatory parameters for a zip file.")


def _settings(request: Mapping[str, Any]) -> None:
    for name, what in NOT_HERE.items():
        if request.get(name):
            raise CommonServiceException(
                "InternalFailure",
                f"lambda {what} ({name}) are not emulated: do without them here, or run this part "
                "on AWS",
                status_code=501,
            )
    managed = request.get("CapacityProviderConfig")
    for name, most in {"Timeout": LONGEST_TIMEOUT_S, **({} if managed else MOST)}.items():
        value = request.get(name)
        if value is not None and value > most:
            constraint = f"Member must have value less than or equal to {most}"
            said = says(value, name[0].lower() + name[1:], constraint)
            raise CommonServiceException(
                "ValidationException", f"1 validation error detected: {said}", sender_fault=True
            )
    network = request.get("VpcConfig") or {}
    for name in network.get("SubnetIds") or ():
        if not name.startswith("subnet-"):
            raise refused(f"{name} is no identifier of a subnet: subnet-…")
    for name in network.get("SecurityGroupIds") or ():
        if not name.startswith("sg-"):
            raise refused(f"{name} is no identifier of a security group: sg-…")
    _target(request)
    _variables((request.get("Environment") or {}).get("Variables") or {})
    logging = request.get("LoggingConfig") or {}
    level = logging.get("ApplicationLogLevel") or logging.get("SystemLogLevel")
    if level and logging.get("LogFormat") != "JSON":
        raise refused("Levels of logs need the LogFormat JSON.")


def _target(request: Mapping[str, Any]) -> None:
    """Dead letters go to a queue or a topic."""
    arn = (request.get("DeadLetterConfig") or {}).get("TargetArn")
    if arn and not _is_arn_of(arn, "sqs", "sns"):
        raise refused(f"{arn} is no ARN of a queue or a topic.")


def _destinations(request: Mapping[str, Any]) -> None:
    for config in (request.get("DestinationConfig") or {}).values():
        arn = (config or {}).get("Destination")
        if arn and not _is_arn_of(arn, "sqs", "sns", "lambda", "events", "s3"):
            raise refused(f"The provided destination {arn} is invalid.")


def _is_arn_of(arn: str, *services: str) -> bool:
    parts = arn.split(":", 5)
    return len(parts) == 6 and parts[2] in services and bool(parts[5])


def _variables(variables: Mapping[str, str]) -> None:
    reserved = sorted(VARIABLES & variables.keys())
    if reserved:
        raise refused(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )


def _update_configuration(request: Mapping[str, Any]) -> None:
    _settings(request)
    name = request["FunctionName"]
    version = re.search(r"(?:^[a-zA-Z0-9-_]+|:function:[a-zA-Z0-9-_]+):(\d+)$", name)
    if version:
        raise refused(f"The version {version[1]} can't be changed: only $LATEST can.")


def _update_code(request: Mapping[str, Any]) -> None:
    if not (request.get("ZipFile") or request.get("S3Bucket") or request.get("ImageUri")):
        raise refused("Please provide a source for function code.")


def check_payload(payload: bytes, kind: str | None) -> None:
    """Refuse what Invoke does not take.

    Raises
    ------
    RequestTooLargeException
        When it is more than the kind of invocation takes.
    InvalidRequestContentException
        When it is no JSON.
    """
    limit = LARGEST_EVENT if kind == "Event" else LARGEST_PAYLOAD
    if len(payload) > limit:
        raise RequestTooLargeException(
            f"{len(payload)} byte payload is too large for the {kind or 'RequestResponse'} "
            f"invocation type (limit {limit} bytes)",
            Type="User",
        )
    if not payload:
        return
    try:
        json.loads(payload)
    except ValueError as error:
        raise InvalidRequestContentException(
            f"Could not parse request body into json: {error}", Type="User"
        ) from error


def _mapping(request: Mapping[str, Any]) -> None:
    filters = (request.get("FilterCriteria") or {}).get("Filters") or ()
    if len(filters) > MOST_FILTERS:
        raise refused(f"A mapping has at most {MOST_FILTERS} filters, not {len(filters)}.")


def _invoke(request: Mapping[str, Any]) -> None:
    try:
        read_client_context(request.get("ClientContext"))
    except ValueError as error:
        raise InvalidRequestContentException(CONTEXT_REFUSAL, Type="User") from error


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "CreateEventSourceMapping": _mapping,
    "CreateFunction": _create,
    "Invoke": _invoke,
    "PutFunctionEventInvokeConfig": _destinations,
    "UpdateEventSourceMapping": _mapping,
    "UpdateFunctionCode": _update_code,
    "UpdateFunctionConfiguration": _update_configuration,
    "UpdateFunctionEventInvokeConfig": _destinations,
}
