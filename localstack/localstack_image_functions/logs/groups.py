"""The log group that a request names, and what can't be read of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.api.logs import InvalidParameterException, ResourceNotFoundException
from localstack.services.logs.models import get_moto_logs_backend

from localstack_image_functions.logs.errors import InvalidInsightsQuery, InvalidPattern

Result = TypeVar("Result")


def group_of(context: RequestContext, request: Any) -> Any:
    """moto's group of a request, which names it or gives its identifier.

    Raises
    ------
    InvalidParameterException
        When it does both, or neither.
    ResourceNotFoundException
        When there is no such group in this account and region.
    """
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if bool(name) == bool(identifier):
        raise InvalidParameterException(
            "Exactly one of logGroupName and logGroupIdentifier must be given."
        )
    backend = get_moto_logs_backend(context.account_id, context.region)
    group = backend.groups.get(name or name_in(context, identifier))
    if group is None:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return group


def name_in(context: RequestContext, identifier: str) -> str:
    """A log group's name, from that or from its ARN.

    Raises
    ------
    ResourceNotFoundException
        When it is an ARN of something else, or of another account or region.
    """
    if not identifier.startswith("arn:"):
        return identifier
    here = f":logs:{context.region}:{context.account_id}:log-group:"
    _, of_here, name = identifier.removesuffix(":*").partition(here)
    if not of_here:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return name


def checked(read: Callable[[], Result]) -> Result:
    """What `read` reads of a request.

    Raises
    ------
    InvalidParameterException
        When it is a pattern that can't be read.
    CommonServiceException
        When it is a query that can't be read, or asks what is not calculated here.
    """
    try:
        return read()
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from error
    except InvalidInsightsQuery as error:
        raise CommonServiceException(
            "MalformedQueryException", str(error), sender_fault=True
        ) from error
