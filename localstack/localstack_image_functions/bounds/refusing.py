"""Puts the checks of this package before every provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import RequestContext

from localstack_image_functions.bounds import (
    cloudwatch,
    documents,
    dynamodb,
    ecr,
    functions,
    logs,
    mappings,
    notifications,
    objects,
    sizes,
    sqs,
    tables,
)
from localstack_image_functions.bounds.model import REFUSALS, broken_bounds, refusal
from localstack_image_functions.operations import GoOn, stand_around

CHECKS: Mapping[str, Mapping[str, Callable[[Any], None]]] = {
    "cloudwatch": cloudwatch.CHECKS,
    "dynamodb": dynamodb.CHECKS,
    "ecr": ecr.CHECKS,
    "lambda": functions.CHECKS,
    "logs": logs.CHECKS,
    "s3": {**notifications.CHECKS, **objects.CHECKS},
    "sqs": sqs.CHECKS,
}
CHECKS_OF_WHAT_IS_THERE: Mapping[str, Mapping[str, Callable[[RequestContext, Any], None]]] = {
    "dynamodb": tables.CHECKS,
    "lambda": {**mappings.CHECKS_OF_WHAT_IS_THERE, **sizes.CHECKS_OF_WHAT_IS_THERE},
    "logs": logs.CHECKS_OF_WHAT_IS_THERE,
    "s3": documents.CHECKS_OF_WHAT_IS_THERE,
    "sqs": sqs.CHECKS_OF_WHAT_IS_THERE,
}
NONE: Mapping[str, Callable[..., None]] = {}


def check(service: str, operation: Any, request: Any) -> None:
    """Raise what the service answers to a request that breaks one of its rules.

    Raises
    ------
    CommonServiceException
        When it does.
    """
    if service == "dynamodb":
        dynamodb.check_name(request or {})
    if service in REFUSALS:
        broken = broken_bounds(operation, request)
        if broken:
            raise refusal(operation, broken)
    own = CHECKS.get(service, NONE).get(operation.name)
    if own:
        own(request or {})


def refuse_what_breaks_bounds() -> None:
    """Let every request that comes to a provider be checked first."""

    def check_first(context: RequestContext, go_on: GoOn) -> Any:
        service, operation = context.service.service_name, context.operation
        check(service, operation, context.service_request)
        of_what_is_there = CHECKS_OF_WHAT_IS_THERE.get(service, NONE).get(operation.name)
        if of_what_is_there:
            of_what_is_there(context, context.service_request)
        return go_on()

    stand_around(check_first)
