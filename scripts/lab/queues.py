"""The queues of results, and what waits in a queue."""

from __future__ import annotations

from typing import Any

from contract.names import Names

WAITING = "ApproximateNumberOfMessages"


def device_queues(sqs: Any, names: Names) -> dict[str, str]:
    """The queue's URL of each device that has one, by device id, sorted."""
    urls = sqs.list_queues(QueueNamePrefix=names.result_queues).get("QueueUrls", ())
    of_devices = {url.rsplit("/", 1)[-1].removeprefix(names.result_queues): url for url in urls}
    return dict(sorted(of_devices.items()))


def waiting(sqs: Any, url: str) -> int:
    """How many messages of a queue can be received now."""
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[WAITING])
    return int(answer["Attributes"][WAITING])
