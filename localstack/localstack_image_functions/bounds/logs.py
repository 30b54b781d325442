"""What the pages of CloudWatch Logs say of its parameters beyond its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api.logs import InvalidParameterException

KEPT_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
LARGEST_BATCH = 1_048_576
EVENT_OVERHEAD = 26
"""What each event counts beside its message."""
LONGEST_SPAN_MS = 24 * 3600 * 1000


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


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "PutLogEvents": _events,
    "PutRetentionPolicy": _retention,
}
