"""A device's result queue: long polls, and deletes what was handled."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

from cloud.switch import Switch
from device.backoff import Backoff
from device.problems import Kind, Problem, problem_of

BATCH = 10
# Not the 20 that SQS allows: a poll that its process left behind (killed, restarted) can still
# take messages, which then come again only after the queue's visibility timeout.
WAIT_S = 5
CONNECT_TIMEOUT_S = 3


@dataclass(frozen=True)
class Message:
    """A message as it came: its text, its id, and the receipt that deletes it."""

    body: str
    message_id: str
    receipt: str


class SqsQueue:
    """One device's queue. `receive` and `delete` may be called from different threads.

    The queue is looked up when it is first needed: it may come later than we do.
    """

    def __init__(self, switch: Switch, device_id: str) -> None:
        self.name = switch.names.result_queue(device_id)
        self._switch = switch
        self._client: Any = None
        self._url: str | None = None

    def prepare(self) -> None:
        """Import boto3 and make the client; needs no network.

        Raises
        ------
        Problem
        """
        if self._client is None:
            try:
                self._client = self._switch.client(
                    "sqs",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=WAIT_S + 10,
                    tcp_keepalive=True,
                    retries={"mode": "standard", "total_max_attempts": 1},
                )
            except Exception as error:
                raise self._problem(error) from error

    def receive(self, wait_s: int) -> list[Message]:
        """Up to ten messages; waits up to `wait_s` seconds (0-20) for the first one.

        Raises
        ------
        Problem
        """
        answer = self._call(
            "receive_message", MaxNumberOfMessages=BATCH, WaitTimeSeconds=min(wait_s, WAIT_S)
        )
        return [
            Message(message["Body"], message["MessageId"], message["ReceiptHandle"])
            for message in answer.get("Messages", [])
        ]

    def delete(self, messages: list[Message]) -> list[Message]:
        """Delete up to ten messages; return those that the queue did not delete.

        Raises
        ------
        Problem
        """
        entries = [{"Id": str(n), "ReceiptHandle": m.receipt} for n, m in enumerate(messages)]
        answer = self._call("delete_message_batch", Entries=entries)
        return [messages[int(failed["Id"])] for failed in answer.get("Failed", [])]

    def _call(self, operation: str, **arguments: Any) -> dict:
        self.prepare()
        client = self._client
        try:
            if self._url is None:
                self._url = client.get_queue_url(QueueName=self.name)["QueueUrl"]
            return getattr(client, operation)(QueueUrl=self._url, **arguments)
        except Exception as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> Problem:
        problem = problem_of(error, f"queue {self.name}")
        if problem.kind is Kind.CREDENTIALS:
            self._switch.renew()
            self._client = None
        return problem


class Deleter:
    """Deletes handled messages in the background, in batches; the next poll does not wait.

    What can't be deleted comes again, and is then a duplicate: nothing is lost by giving up.
    """

    def __init__(self, delete: Callable[[list[Message]], list[Message]]) -> None:
        self._delete = delete
        self._handled: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._run, name="delete", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, message: Message) -> None:
        self._handled.put(message)

    def finish(self, timeout_s: float) -> None:
        """Delete what is left, as far as that is possible in time."""
        self._handled.put(None)
        if self._thread.ident is not None:  # Ctrl-C may come before the first poll began
            self._thread.join(timeout_s)

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = []
            message = self._handled.get()
            while message is not None:
                batch.append(message)
                if len(batch) == BATCH or self._handled.empty():
                    break
                message = self._handled.get()
            ended = message is None
            if batch:
                try:
                    self._delete(batch)
                except Problem:
                    continue


class Poller:
    """Polls one queue until told to stop, through everything that passes by itself.

    `handle` is called with each message and returns whether it may be deleted. `idle` is
    called when a long poll brought nothing, `trouble` with a Problem when polling fails in a
    new way, and with None when it works again; `alive` in each round, whatever it brought.
    """

    def __init__(
        self,
        source: SqsQueue,
        handle: Callable[[Message], bool],
        idle: Callable[[], None],
        trouble: Callable[[Problem | None], None],
        alive: Callable[[], None] = lambda: None,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen
    ) -> None:
        self._source = source
        self._handle = handle
        self._idle = idle
        self._trouble = trouble
        self._alive = alive
        self._backoff = backoff
        self._deleter = Deleter(source.delete)
        self._handling = Lock()

    def run(self, stop: Event, wait_s: int) -> None:
        """Poll until `stop` is set. Blocks up to `wait_s` seconds in a long poll."""
        self._deleter.start()
        failures = 0
        told = ""
        while not stop.is_set():
            self._alive()
            try:
                messages = self._source.receive(wait_s)
            except Problem as problem:
                failures += 1
                if str(problem) != told:
                    told = str(problem)
                    self._trouble(problem)
                stop.wait(self._backoff.wait_s(failures))
                continue
            if told:
                told = ""
                self._trouble(None)
            failures = 0
            if not messages:
                self._idle()
            for message in messages:
                with self._handling:
                    if stop.is_set():
                        break
                    if self._handle(message):
                        self._deleter.add(message)

    def finish(self, timeout_s: float = 5.0) -> None:
        """Delete what was handled. Call it after `stop` was set."""
        with self._handling:  # a message that was just shown is still to be deleted
            pass
        self._deleter.finish(timeout_s)
