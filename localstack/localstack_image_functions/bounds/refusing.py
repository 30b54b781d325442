"""Puts the checks of this package before every provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.skeleton import Skeleton

from localstack_image_functions.bounds import cloudwatch, ecr, functions, logs, notifications, sqs
from localstack_image_functions.bounds.model import REFUSALS, broken_bounds

CHECKS: Mapping[str, Mapping[str, Callable[[Any], None]]] = {
    "cloudwatch": cloudwatch.CHECKS,
    "ecr": ecr.CHECKS,
    "lambda": functions.CHECKS,
    "logs": logs.CHECKS,
    "s3": notifications.CHECKS,
    "sqs": sqs.CHECKS,
}
NONE: Mapping[str, Callable[[Any], None]] = {}


def check(service: str, operation: Any, request: Any) -> None:
    """Raise what the service answers to a request that breaks one of its rules.

    Raises
    ------
    CommonServiceException
        When it does.
    """
    refusal = REFUSALS.get(service)
    if refusal:
        broken = broken_bounds(operation, request)
        if broken:
            raise CommonServiceException(
                refusal.code, refusal.says(broken), status_code=400, sender_fault=True
            )
    own = CHECKS.get(service, NONE).get(operation.name)
    if own:
        own(request or {})


def refuse_what_breaks_bounds() -> None:
    """Let every request that comes to a provider be checked first."""
    original = Skeleton.dispatch_request

    def dispatch_request(skeleton: Any, serializer: Any, context: Any, instance: Any) -> Any:
        check(context.service.service_name, context.operation, instance)
        return original(skeleton, serializer, context, instance)

    Skeleton.dispatch_request = dispatch_request
