"""The poller of a function's asynchronous events, in place of LocalStack's own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from localstack.runtime import events
from localstack.services.lambda_.invocation import event_manager
from localstack.services.lambda_.invocation.internal_sqs_queue import get_fake_sqs_client
from localstack.services.lambda_.invocation.version_manager import LambdaVersionManager

from localstack import config

LOG = logging.getLogger(__name__)

WAIT_S = 2
HIDDEN_BEYOND_TIMEOUT_S = 60
RETRY_S = 1.0
BATCH = 10
MAX_WORKERS = 32

serving = threading.Event()
"""Set when the emulator answers requests: what functions need to run."""


class _Outcome:
    """What is known of the event that a thread handles."""

    def __init__(self) -> None:
        self.deletions: list[tuple[str, str]] = []
        self.has_succeeded = False
        self.is_kept = True


_handled = threading.local()


def _outcome() -> _Outcome | None:
    return getattr(_handled, "outcome", None)


class EventQueues:
    """LocalStack's client of its queues of events, for threads that handle one.

    LocalStack deletes an event and then sends its next attempt: an emulator that ends in between
    has lost it. Here it goes last.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    # Named as in boto3.
    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        outcome = _outcome()
        if outcome is None:
            self._client.delete_message(QueueUrl=QueueUrl, ReceiptHandle=ReceiptHandle)
        else:
            outcome.deletions.append((QueueUrl, ReceiptHandle))

    def send_message(self, **message: Any) -> Any:
        outcome = _outcome()
        if outcome is not None and events.infra_stopping.is_set():
            return {}  # the event itself stays
        try:
            return self._client.send_message(**message)
        except Exception:
            if outcome is not None:
                outcome.is_kept = False
            raise


def event_queues(*_: Any, **__: Any) -> Any:
    """In place of `event_manager.get_sqs_client`."""
    return EventQueues(get_fake_sqs_client())


def drop_waiting_events(patience_s: float) -> tuple[int, bool]:
    """Forget all events that no function has begun; (how many, whether the others have ended)."""
    dropped = 0
    queues = list(get_fake_sqs_client().queue_manager.queues.values())
    for queue in queues:
        with queue.mutex:
            dropped += queue.visible.qsize() + len(queue.delayed)
            running, receipts = dict(queue.inflight), dict(queue.receipts)
            queue.clear()
            queue.inflight.update(running)
            queue.receipts.update(receipts)
    deadline = time.monotonic() + patience_s
    while any(queue.inflight for queue in queues):
        if time.monotonic() > deadline:
            return dropped, False
        time.sleep(0.02)  # between polls of a condition, with a deadline
    return dropped, True


class Poller(event_manager.Poller):
    """Takes no more events off the queue than it can run now, and gives back the rest."""

    def __init__(self, version_manager: LambdaVersionManager, event_queue_url: str) -> None:
        super().__init__(version_manager, event_queue_url)
        self.invoker_pool = ThreadPoolExecutor(MAX_WORKERS, thread_name_prefix="lambda-events")
        self._busy = 0
        self._changed = threading.Condition()
        self._queue = get_fake_sqs_client()

    def run(self, *_: Any, **__: Any) -> None:
        while not self._shutdown_event.is_set() and not serving.wait(WAIT_S):
            pass  # functions of a restored state would call an emulator that does not listen yet
        while not self._shutdown_event.is_set():
            free = self._take_free()
            messages: list[dict] = []
            try:
                messages = self._receive(free) if free else []
            except Exception as error:  # whatever a deleted queue or function raises
                if not self._shutdown_event.wait(RETRY_S):
                    LOG.error("polling %s: %s", self.event_queue_url, error)
            self._release(free - len(messages))
            for message in messages:
                self._run(message)

    def handle_message(self, message: dict) -> None:
        _handled.outcome = outcome = _Outcome()
        try:
            super().handle_message(message)
        finally:
            _handled.outcome = None
        if events.infra_stopping.is_set() and not outcome.has_succeeded:
            # An emulator that ends refuses what functions ask for; that is no attempt of theirs.
            return
        if not outcome.is_kept:
            return  # it comes again when its time in flight is over
        for queue_url, receipt_handle in outcome.deletions:
            with contextlib.suppress(Exception):  # the queue goes with a deleted function
                self._queue.delete_message(QueueUrl=queue_url, ReceiptHandle=receipt_handle)

    def process_success_destination(self, *arguments: Any, **options: Any) -> None:
        outcome = _outcome()
        if outcome is not None:
            outcome.has_succeeded = True
        super().process_success_destination(*arguments, **options)

    def process_failure_destination(
        self, event: Any, result: Any, *arguments: Any, **options: Any
    ) -> None:
        """Of an event that never ran, too, for which there is no answer to be read."""
        answered = result if result.payload is not None else replace(result, payload=b"null")
        super().process_failure_destination(event, answered, *arguments, **options)

    def _take_free(self) -> int:
        """Take all free workers, at most a batch; waits a while for the first.

        The limit is asked each time: a function's reserved concurrency may change at any time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._busy < _workers(self.version_manager), WAIT_S)
            taken = max(0, min(_workers(self.version_manager) - self._busy, BATCH))
            self._busy += taken
            return taken

    def _release(self, workers: int = 1) -> None:
        with self._changed:
            self._busy -= workers
            self._changed.notify_all()

    def _receive(self, limit: int) -> list[dict]:
        timeout_s = self.version_manager.function_version.config.timeout
        response = self._queue.receive_message(
            QueueUrl=self.event_queue_url,
            WaitTimeSeconds=WAIT_S,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=timeout_s + HIDDEN_BEYOND_TIMEOUT_S,
        )
        return response.get("Messages") or []

    def _run(self, message: dict) -> None:
        if self._shutdown_event.is_set():
            self._give_back(message)
            return
        try:
            future = self.invoker_pool.submit(self.handle_message, message)
        except RuntimeError:  # shut down since we looked
            self._give_back(message)
            return
        future.add_done_callback(lambda done: self._finished(done, message))

    def _finished(self, future: Future, message: dict) -> None:
        self._release()
        if future.cancelled():
            self._give_back(message)

    def _give_back(self, message: dict) -> None:
        """Show the event to the next poller at once."""
        with contextlib.suppress(Exception):  # the queue goes with a deleted function
            queue = self._queue.queue_manager.get_queue(self.event_queue_url)
            queue.update_visibility_timeout(message["ReceiptHandle"], 0)


def _workers(version_manager: LambdaVersionManager) -> int:
    """How many events may run at a time."""
    function = version_manager.function
    reserved = function.reserved_concurrent_executions if function else None
    limit = config.LAMBDA_LIMITS_CONCURRENT_EXECUTIONS if reserved is None else reserved
    return max(1, min(limit, MAX_WORKERS))
