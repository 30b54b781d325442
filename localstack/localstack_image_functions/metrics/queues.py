"""AWS/SQS: counted where a queue is used; how full queues are, once a minute."""

from __future__ import annotations

import time
from typing import Any

from localstack_image_functions.metrics.store import METRICS, Metric, MetricStore, Owner

NAMESPACE = "AWS/SQS"


class QueueMetrics:
    """What LocalStack tells after each send, receive and delete. Stands for its dispatcher."""

    def __init__(self, store: MetricStore = METRICS) -> None:
        self._store = store

    def shutdown(self) -> None:
        """Nothing is under way."""

    def dispatch_metric_message_sent(self, queue: Any, message_body_size: int) -> None:
        self.put(queue, "NumberOfMessagesSent", 1)
        self.put(queue, "SentMessageSize", message_body_size, "Bytes")

    def dispatch_metric_message_deleted(self, queue: Any, deleted: int = 1) -> None:
        self.put(queue, "NumberOfMessagesDeleted", deleted)

    def dispatch_metric_received(self, queue: Any, received: int) -> None:
        if received:
            self.put(queue, "NumberOfMessagesReceived", received)
        else:
            self.put(queue, "NumberOfEmptyReceives", 1)

    def put(self, queue: Any, name: str, value: float, unit: str = "Count") -> None:
        metric = Metric.of(NAMESPACE, name, {"QueueName": queue.name})
        self._store.add(Owner(queue.account_id, queue.region), metric, value, unit)

    def measure(self, queue: Any) -> None:
        """How full a queue is now."""
        self.put(queue, "ApproximateNumberOfMessagesVisible", queue.approximate_number_of_messages)
        self.put(queue, "ApproximateNumberOfMessagesNotVisible", len(queue.inflight))
        self.put(queue, "ApproximateNumberOfMessagesDelayed", len(queue.delayed))
        now = time.time()
        oldest = max((now - message.created for message in _messages(queue)), default=0)
        self.put(queue, "ApproximateAgeOfOldestMessage", oldest, "Seconds")


def _messages(queue: Any) -> list[Any]:
    """Those that wait and those that are in flight; a FIFO queue has them by group."""
    groups = getattr(queue, "message_groups", None)
    if groups is None:
        waiting = list(queue.visible.queue)
    else:
        waiting = [one for group in list(groups.values()) for one in list(group.messages)]
    return [*list(queue.inflight), *waiting]


def count_messages(metrics: QueueMetrics | None = None) -> None:
    """Let LocalStack's queues count here: it sends itself a request for each figure."""
    from localstack.services.sqs import provider
    from localstack.services.sqs.models import sqs_stores

    counted = metrics or QueueMetrics()

    def measure_all(_: Any) -> None:
        for _account, _region, store in sqs_stores.iter_stores():
            for queue in list(store.queues.values()):
                counted.measure(queue)

    provider.CloudwatchDispatcher = lambda: counted
    provider.CloudwatchPublishWorker.publish_approximate_cloudwatch_metrics = measure_all
