"""Queues as sources of events: a message reaches its function when it arrives.

LocalStack looks at an empty queue after 1, 2, 4 … 10 seconds, and runs one batch at a time. Here
a queue is waited for, and batches run beside each other, as many as AWS begins with.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError
from localstack.services.lambda_.event_source_mapping import esm_worker_factory
from localstack.services.lambda_.event_source_mapping.pollers import dynamodb_poller, sqs_poller

from localstack import config
from localstack_image_functions.async_events import serving
from localstack_image_functions.mapping_ends import end_before_saying_so
from localstack_image_functions.recursion import arriving_with, lineage_of

LOG = logging.getLogger(__name__)

WAIT_S = 1
"""A mapping that is disabled or deleted stops within this."""
BATCHES = 5
"""How many batches of a standard queue run at a time: what AWS begins with."""
MOST_RECORDS = 2500
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Between two tries of a batch that was throttled."""
DONE, FAILED = "OK", "PROBLEM: Function call failed"
"""How a stream's last batch ended, as AWS says it."""


class QueuePoller(sqs_poller.SqsPoller):
    """Receives for one event source mapping. `poll_events` is called again and again. At most
    `maximum_concurrency` batches are with the function (None: as many as the lab allows)."""

    def __init__(self, *arguments: Any, maximum_concurrency: int | None = None, **options: Any):
        super().__init__(*arguments, **options)
        fifo = self.queue_url.endswith(".fifo")
        limit = min(BATCHES, config.LAMBDA_LIMITS_CONCURRENT_EXECUTIONS)
        workers = 1 if fifo else max(1, maximum_concurrency or limit)
        self._free = threading.Semaphore(workers)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="queue-batches")
        self._closed = threading.Event()

    def poll_events(self) -> None:
        if not serving.wait(WAIT_S) or not self._free.acquire(timeout=WAIT_S):
            return
        try:
            messages = self._receive()
            if messages and self._closed.is_set():
                self._give_back(messages)
                messages = []
            if not messages:
                self._free.release()
                return
            self._pool.submit(self._run, messages)
        except BaseException:
            self._free.release()
            raise

    def stop(self) -> None:
        """Take nothing more: what a receive that has begun still brings is for who comes after."""
        self._closed.set()

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(wait=False)

    def _receive(self) -> list[dict[str, Any]]:
        response = self.source_client.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=min(self.batch_size, 10),
            WaitTimeSeconds=min(self.maximum_batching_window or WAIT_S, 20),
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            # More than SQS gives at a time, and waiting for a batch to fill: as headers.
            sqs_override_max_message_count=self.batch_size,
            sqs_override_wait_time_seconds=self.maximum_batching_window,
        )
        return response.get("Messages") or []

    def _give_back(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self.source_client.change_message_visibility(
                QueueUrl=self.queue_url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=0,
            )

    def _run(self, messages: list[dict[str, Any]]) -> None:
        try:
            for batch in self._batches(messages):
                self._handle(batch)
        finally:
            self._free.release()

    def _handle(self, batch: list[dict[str, Any]]) -> None:
        """What fails stays hidden for the queue's visibility timeout, then comes again.

        What was only throttled is tried again meanwhile, as AWS does: where a laptop's limit is a
        few, one cold start would hide a message for minutes.
        """
        pause, until = FIRST_PAUSE_S, None
        lineage = lineage_of(batch)
        while True:
            try:
                with arriving_with(lineage):
                    self.handle_messages(batch)
                return
            except Exception as error:
                until = until or time.monotonic() + self._hidden_s() / 2
                if not _is_throttled(error) or time.monotonic() + pause > until:
                    LOG.warning("a batch of %s failed: %s", self.source_arn, error)
                    return
            if self._closed.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _hidden_s(self) -> float:
        """For how long the queue hides what was received."""
        asked = self.source_client.get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["VisibilityTimeout"]
        )
        return float(asked["Attributes"]["VisibilityTimeout"])

    def _batches(self, messages: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """A FIFO queue's groups one by one, so that one's failure holds up no other."""
        groups = [messages]
        if self.is_fifo_queue:
            groups = list(sqs_poller.split_by_message_group_id(messages).values())
        return [
            group[start : start + MOST_RECORDS]
            for group in groups
            for start in range(0, len(group), MOST_RECORDS)
        ]


def _is_throttled(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return False
    return error.response["Error"]["Code"] == "TooManyRequestsException"


def _telling_results(worker: Any) -> Any:
    """A mapping of a stream says how its last batch ended; one of a queue says nothing of it."""
    if "LastProcessingResult" not in worker.esm_config:
        return worker
    process, mappings = worker.poller.processor.process_events_batch, worker._state

    def processed(events: Any) -> None:
        told = FAILED
        try:
            process(events)
            told = DONE
        finally:
            mapping = mappings.event_source_mappings.get(worker.uuid)
            if mapping is not None:  # it may be deleted meanwhile
                mapping["LastProcessingResult"] = told

    worker.poller.processor.process_events_batch = processed
    return worker


@functools.cache  # several first requests at once load the executor several times
def wait_for_messages() -> None:
    """Let event source mappings of queues use the poller above."""
    factory = esm_worker_factory.EsmWorkerFactory
    original = factory.get_esm_worker

    def get_esm_worker(self: Any) -> Any:
        limits = self.esm_config.get("ScalingConfig") or {}
        maximum = limits.get("MaximumConcurrency")
        making.maximum_concurrency = maximum
        return _telling_results(original(self))

    # LocalStack takes a record's time to be now, and never finds one too old.
    dynamodb_poller.DynamoDBPoller.get_approximate_arrival_time = lambda _self, record: record[
        "dynamodb"
    ]["ApproximateCreationDateTime"]
    making = threading.local()
    end_before_saying_so()
    factory.get_esm_worker = get_esm_worker
    esm_worker_factory.SqsPoller = lambda **options: QueuePoller(
        maximum_concurrency=making.maximum_concurrency, **options
    )
