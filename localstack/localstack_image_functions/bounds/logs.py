"""What the pages of CloudWatch Logs say of its parameters beyond its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.api.logs import (
    AccessDeniedException,
    InvalidParameterException,
    ValidationException,
)

KEPT_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
LARGEST_BATCH = 1_048_576
EVENT_OVERHEAD = 26
"""What each event counts beside its message."""
LONGEST_SPAN_MS = 24 * 3600 * 1000


def _group(request: Mapping[str, Any]) -> None:
    if request["logGroupName"].startswith("aws/"):
        raise InvalidParameterException("Names of log groups can't start with aws/.")


def _retention(request: Mapping[str, Any]) -> None:
    days = request["retentionInDays"]
    if days not in KEPT_DAYS:
        raise InvalidParameterException(
            f"{days} is no valid retentionInDays: {', '.join(map(str, KEPT_DAYS))}"
        )


def _events(request: Mapping[str, Any]) -> None:
    events = request["logEvents"]
    if events[-1]["timestamp"] - events[0]["timestamp"] > LONGEST_SPAN_MS:
        raise InvalidParameterException(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 "
            "hours."
        )
    size = sum(len(event["message"].encode()) + EVENT_OVERHEAD for event in events)
    if size > LARGEST_BATCH:
        raise InvalidParameterException(
            f"Upload too large: {size} bytes exceeds limit of {LARGEST_BATCH}"
        )


def _source(context: RequestContext, request: Mapping[str, Any]) -> None:
    """What delivers logs is a resource of this account and region."""
    arn = _parts(request["resourceArn"], "resourceArn")
    if arn[3] not in ("", context.region) or arn[4] not in ("", context.account_id):
        raise _invalid(f"{request['resourceArn']} is of another region or account.")


def _destination(context: RequestContext, request: Mapping[str, Any]) -> None:
    """Logs go to a bucket, or to a log group or a stream of Firehose of this account and region."""
    asked = (request.get("deliveryDestinationConfiguration") or {}).get("destinationResourceArn")
    if not asked:
        return
    _, _, service, region, account, _ = _parts(asked, "destinationResourceArn")
    wanted = {
        "s3": ("", ""),
        "logs": (context.region, context.account_id),
        "firehose": (context.region, context.account_id),
    }.get(service)
    if wanted != (region, account):
        raise _invalid(f"Logs can't be delivered to {asked}.")


def _delivery(context: RequestContext, request: Mapping[str, Any]) -> None:
    arn = request["deliveryDestinationArn"]
    _, _, service, region, account, resource = _parts(arn, "deliveryDestinationArn")
    if (
        service != "logs"
        or region != context.region
        or not resource.startswith("delivery-destination:")
    ):
        raise _invalid(f"{arn} is no delivery destination of this region.")
    if account != context.account_id:
        raise AccessDeniedException(f"{arn} is another account's.")


def _parts(arn: str, name: str) -> list[str]:
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        raise _invalid(f"{name} is no ARN: {arn}")
    return parts


def _invalid(message: str) -> ValidationException:
    return ValidationException(message)


CHECKS_OF_WHAT_IS_THERE: Mapping[str, Callable[[RequestContext, Any], None]] = {
    "CreateDelivery": _delivery,
    "PutDeliveryDestination": _destination,
    "PutDeliverySource": _source,
}
CHECKS: Mapping[str, Callable[[Any], None]] = {
    "CreateLogGroup": _group,
    "PutLogEvents": _events,
    "PutRetentionPolicy": _retention,
}
