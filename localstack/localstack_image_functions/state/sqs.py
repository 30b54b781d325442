"""SQS: a row for each message, of LocalStack's own queues of Lambda events too."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from localstack.services.lambda_.invocation.internal_sqs_queue import QueueManager
from localstack.services.sqs.models import (
    FifoQueue,
    SqsMessage,
    SqsQueue,
    StandardQueue,
    sqs_stores,
)
from localstack.services.sqs.queue import InterruptiblePriorityQueue, InterruptibleQueue

from localstack import config
from localstack_image_functions.state.codec import Codec, Omissions
from localstack_image_functions.state.database import Database, RowKey, Rows

MESSAGE = "sqs-message"
OMISSIONS: Omissions = {
    SqsQueue: {"delayed": set, "inflight": dict, "receipts": dict},
    StandardQueue: {"visible": InterruptiblePriorityQueue},
    FifoQueue: {
        "deduplication": dict,
        "message_groups": dict,
        "inflight_groups": set,
        "message_group_queue": InterruptibleQueue,
    },
}
QUIET_OPERATIONS = {
    "SendMessage",
    "SendMessageBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "PurgeQueue",
}


class MessageRows:
    """Keeps the rows of messages as their queues have them."""

    def __init__(self, database: Database, codec: Codec):
        self._database = database
        self._codec = codec
        self._waiting: dict[str, list[SqsMessage]] = defaultdict(list)

    def install(self) -> None:
        """Watch what happens to messages, in whatever way it comes about."""
        for kind in (StandardQueue, FifoQueue):
            _wrap(kind, "put", self._after_put)
            _wrap(kind, "receive", self._after_receive)
            _wrap(kind, "clear", self._after_clear)
            _wrap(kind, "_on_remove_message", self._after_removal)
        _wrap(SqsMessage, "update_visibility_timeout", self._after_visibility)
        SqsQueue.remove_expired_messages_from_heap = staticmethod(
            self._expired(SqsQueue.remove_expired_messages_from_heap)
        )
        self._install_in_event_queues()

    def load(self, rows: Rows) -> None:
        """Put the messages back into their queues; those of events wait for theirs."""
        queues = {queue.arn: queue for queue in all_queues()}
        for arn, _, message in rows:
            if arn in queues:
                self._put_back(queues[arn], message)
            elif f":{config.INTERNAL_RESOURCE_ACCOUNT}:" in arn:
                self._waiting[arn].append(message)
            else:
                self._database.delete_scope(MESSAGE, arn)

    def drop_waiting(self) -> None:
        """Functions have their queues again: events of those that are gone go."""
        for arn in self._waiting:
            self._database.delete_scope(MESSAGE, arn)
        self._waiting.clear()

    def forget(self, arn: str) -> None:
        """A queue was deleted."""
        self._database.delete_scope(MESSAGE, arn)

    def _put_back(self, queue: SqsQueue, message: SqsMessage) -> None:
        for handle in message.receipt_handles:
            queue.receipts[handle] = message
        if isinstance(queue, FifoQueue) and message.message_deduplication_id:
            queue.deduplication[message.message_deduplication_id] = message
        if message.is_delayed:
            queue.delayed.add(message)
        elif message.is_visible:
            queue._put_message(message)
        else:
            queue.add_inflight_message(message)
            if isinstance(queue, FifoQueue):
                queue.inflight_groups.add(queue.get_message_group(message.message_group_id))

    def _install_in_event_queues(self) -> None:
        """LocalStack makes the queue of a function's events when the function starts."""
        original = QueueManager.create_queue

        def create_queue(manager: QueueManager, queue_name: str) -> SqsQueue:
            is_new = queue_name not in manager.queues
            queue = original(manager, queue_name)
            if is_new:
                for message in self._waiting.pop(queue.arn, ()):
                    message.visibility_deadline = None  # whoever ran it is gone
                    self._put_back(queue, message)
            return queue

        QueueManager.create_queue = create_queue

    def _put(self, message: SqsMessage, later: bool = False) -> None:
        row = _row_of(message)
        if row is not None:
            keep = self._database.put_later if later else self._database.put
            keep(row, lambda: None if message.deleted else self._codec.encode(message))

    def _after_put(self, queue: SqsQueue, message: SqsMessage) -> None:
        known = getattr(queue, "deduplication", {}).get(message.message_deduplication_id)
        if isinstance(queue, FifoQueue) and known is not message:
            return  # one like it has come before
        message.queue_arn = queue.arn
        self._put(message)

    def _after_receive(self, _queue: SqsQueue, result: Any) -> None:
        for message in result.successful:
            self._put(message, later=True)
        for message in result.dead_letter_messages:
            self._delete(message)

    def _after_visibility(self, message: SqsMessage, _result: None) -> None:
        self._put(message, later=True)

    def _after_removal(self, _queue: SqsQueue, _result: None, message: SqsMessage) -> None:
        self._delete(message)

    def _after_clear(self, queue: SqsQueue, _result: None) -> None:
        self._database.delete_scope(MESSAGE, queue.arn)

    def _expired(
        self, original: Callable[..., list[SqsMessage]]
    ) -> Callable[..., list[SqsMessage]]:
        def remove(heap: list[SqsMessage], period: int) -> list[SqsMessage]:
            expired = original(heap, period)
            for message in expired:
                message.deleted = True
                self._delete(message)
            return expired

        return remove

    def _delete(self, message: SqsMessage) -> None:
        row = _row_of(message)
        if row is not None:
            self._database.delete(row)


def _row_of(message: SqsMessage) -> RowKey | None:
    arn = getattr(message, "queue_arn", None)
    return RowKey(MESSAGE, arn, message.message_id) if arn else None


def _wrap(owner: type, name: str, after: Callable[..., None]) -> None:
    """Call `after(self, result, *arguments)` when a method has returned."""
    original = owner.__dict__.get(name) or getattr(owner, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        after(self, result, *(args if name == "_on_remove_message" else ()))
        return result

    setattr(owner, name, method)


def all_queues() -> list[SqsQueue]:
    """Every queue of every account and region."""
    return [
        queue for _, _, store in sqs_stores.iter_stores() for queue in list(store.queues.values())
    ]


def trim_deduplication(now: float | None = None) -> None:
    """Forget ids of FIFO messages whose five minutes are over at `now` (Unix seconds); LocalStack
    keeps them for good."""
    from localstack.services.sqs.constants import DEDUPLICATION_INTERVAL_IN_SEC

    horizon = (time.time() if now is None else now) - DEDUPLICATION_INTERVAL_IN_SEC
    for queue in all_queues():
        if isinstance(queue, FifoQueue):
            for name, message in list(queue.deduplication.items()):
                if message.priority < horizon:
                    queue.deduplication.pop(name, None)


def trim_expired() -> None:
    """Apply each queue's retention period, which LocalStack does only when asked to."""
    for queue in all_queues():
        queue.remove_expired_messages()
