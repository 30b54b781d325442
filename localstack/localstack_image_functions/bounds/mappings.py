"""What event source mappings lead to and from: it has to be there, and to be known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from localstack.aws.api import CommonServiceException

from localstack_image_functions.bounds.functions import refused
from localstack_image_functions.settings import read_settings

if TYPE_CHECKING:
    from localstack.aws.api import RequestContext

QUEUES = "sqs"
LEAST_AGE_S = 60
STREAMS = {"dynamodb": "dynamodbstreams", "kinesis": "kinesis"}
"""Sources that are read here beside queues, each with the API that gives its records."""
ON_AWS_ALONE = {
    "kafka": "Amazon MSK",
    "mq": "Amazon MQ",
    "rds": "Amazon DocumentDB",
}


def _create(context: RequestContext, request: Mapping[str, Any]) -> None:
    if request.get("SelfManagedEventSource"):
        raise _not_here("a Kafka of your own")
    if request.get("EventSourceArn"):
        _check_source(request["EventSourceArn"], request)
    _update(context, request)


def _update(context: RequestContext, request: Mapping[str, Any]) -> None:
    age = request.get("MaximumRecordAgeInSeconds")
    if age is not None and -1 < age < LEAST_AGE_S:
        raise refused(f"MaximumRecordAgeInSeconds is -1 or at least {LEAST_AGE_S}, not {age}.")
    if request.get("FunctionName"):
        _check_function(context, request["FunctionName"])


def _check_source(arn: str, request: Mapping[str, Any]) -> None:
    from localstack.utils.bootstrap import is_api_enabled

    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service in ON_AWS_ALONE:
        raise _not_here(ON_AWS_ALONE[service])
    if service != QUEUES and service not in STREAMS:
        raise refused("Unrecognized event source.")
    if service != QUEUES and request.get("ScalingConfig"):
        raise refused("ScalingConfig is for queues alone (Amazon SQS).")
    api = STREAMS.get(service)
    if api and not is_api_enabled(api):
        raise CommonServiceException(
            "ServiceDisabled",
            f"{api} is switched off in this emulator: start it again with "
            f"{read_settings().services_setting}={api}",
            status_code=501,
        )


def _not_here(source: str) -> CommonServiceException:
    return CommonServiceException(
        "InternalFailure",
        f"lambda CreateEventSourceMapping is not emulated for {source}: queues and streams of "
        "DynamoDB and Kinesis are; run this part on AWS",
        status_code=501,
    )


def _check_function(context: RequestContext, named: str) -> None:
    """Refuse a version or an alias that is not there; a missing function the provider refuses."""
    from localstack.services.lambda_.api_utils import function_locators_from_arn
    from localstack.services.lambda_.invocation.models import lambda_stores
    from localstack.services.lambda_.provider import LambdaProvider

    name, qualifier, account, region = function_locators_from_arn(named)
    store = lambda_stores[account or context.account_id][region or context.region]
    function = store.functions.get(name)
    if function and qualifier:
        LambdaProvider._resolve_fn_qualifier(function, qualifier)


CHECKS_OF_WHAT_IS_THERE: Mapping[str, Callable[[RequestContext, Any], None]] = {
    "CreateEventSourceMapping": _create,
    "UpdateEventSourceMapping": _update,
}
