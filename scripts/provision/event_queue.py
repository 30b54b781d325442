"""The queue between S3 and the function, when a lab is to do without it again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cloud.switch import Switch
from scripts.console import Progress

PATIENCE_S = 60.0
POLL_S = 0.5
_LEFT = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


def has_queue(stack: Mapping[str, Any] | None) -> bool:
    """Whether the stack, as CloudFormation describes it, was last deployed with the queue."""
    return any(
        one["ParameterKey"] == "Events" and one.get("ParameterValue") != "direct"
        for one in (stack or {}).get("Parameters", ())
    )


def wait_until_empty(switch: Switch, progress: Progress) -> None:
    """Let the events in the queue be answered before it goes.

    What fails again and again may stay in it for longer than anybody waits: those clips lie in
    the bucket without an outcome, and the reconciler sends them again.
    """
    sqs, names = switch.client("sqs"), switch.names
    queues = (names.events_queue, names.failed_events)
    try:
        urls = [sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in queues]
    except sqs.exceptions.QueueDoesNotExist:
        return  # of a stack that was made by half
    deadline = time.monotonic() + PATIENCE_S
    while left := sum(_left(sqs, url) for url in urls):
        if time.monotonic() > deadline:
            progress(f"warning: {left} events are still in their queue; the schedule sends them")
            return
        time.sleep(POLL_S)  # between polls of a condition, with a deadline


def _left(sqs: Any, url: str) -> int:
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_LEFT)
    return sum(int(value) for value in asked["Attributes"].values())
