"""The queues of results, and what waits in a queue."""

from __future__ import annotations

from typing import Any

from cloud.listing import every
from contract.names import Names

WAITING = "ApproximateNumberOfMessages"


def device_queues(sqs: Any, names: Names) -> dict[str, str]:
    """The queue's URL of each device that has one, by device id, sorted."""
    urls = every(sqs, "list_queues", "QueueUrls", QueueNamePrefix=names.result_queues)
    of_devices = {url.rsplit("/", 1)[-1].removeprefix(names.result_queues): url for url in urls}
    return dict(sorted(of_devices.items()))


def waiting(sqs: Any, url: str) -> int:
    """How many messages of a queue can be received now."""
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[WAITING])
    return int(answer["Attributes"][WAITING])
