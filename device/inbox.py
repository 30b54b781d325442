"""A device's result queue: long polls, and deletes what was handled."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, Protocol

from cloud.switch import Switch
from device.backoff import Backoff
from device.crew import Crew, Failed, describe
from device.problems import Kind, Problem, problem_of, strange_answer

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
            When boto3 or its settings give no client.
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
            When the queue is not there or can't be asked, or its answer can't be read.
        """
        answer = self._call(
            "receive_message", MaxNumberOfMessages=BATCH, WaitTimeSeconds=min(wait_s, WAIT_S)
        )
        try:
            return [
                Message(message["Body"], message["MessageId"], message["ReceiptHandle"])
                for message in answer.get("Messages", [])
            ]
        except (AttributeError, KeyError, TypeError) as error:
            raise strange_answer(f"queue {self.name}") from error

    def delete(self, messages: list[Message]) -> list[Message]:
        """Delete up to ten messages; return those that the queue did not delete.

        Raises
        ------
        Problem
            When the queue is not there or can't be asked, or its answer can't be read.
        """
        entries = [{"Id": str(n), "ReceiptHandle": m.receipt} for n, m in enumerate(messages)]
        answer = self._call("delete_message_batch", Entries=entries)
        return [messages[int(failed["Id"])] for failed in answer.get("Failed", [])]

    def release(self, messages: list[Message]) -> None:
        """Let up to ten messages that were received, but not handled, come again at once.

        Raises
        ------
        Problem
            When the queue is not there or can't be asked, or its answer can't be read.
        """
        entries = [
            {"Id": str(n), "ReceiptHandle": m.receipt, "VisibilityTimeout": 0}
            for n, m in enumerate(messages)
        ]
        self._call("change_message_visibility_batch", Entries=entries)

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
        if problem.kind in (Kind.CREDENTIALS, Kind.DENIED):
            self._switch.renew()
            self._client = None
        return problem


class MessageSource(Protocol):
    """What a poller needs of a queue; `SqsQueue` is one."""

    def receive(self, wait_s: int) -> list[Message]: ...
    def delete(self, messages: list[Message]) -> list[Message]: ...
    def release(self, messages: list[Message]) -> None: ...


class Deleter:
    """Deletes handled messages in the background, in batches; the next poll does not wait.

    What can't be deleted comes again, and is then a duplicate: nothing is lost by giving up.
    """

    def __init__(self, delete: Callable[[list[Message]], list[Message]]) -> None:
        self._delete = delete
        self._handled: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread: Thread | None = None

    def start(self, crew: Crew) -> None:
        self._thread = crew.start("delete", self._run)

    def add(self, message: Message) -> None:
        self._handled.put(message)

    def finish(self, timeout_s: float) -> None:
        """Delete what is left, as far as that is possible in time."""
        self._handled.put(None)
        if self._thread is not None:  # Ctrl-C may come before the first poll began
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
                except Exception:  # noqa: S112  whatever it is: they come again
                    continue


class Poller:
    """Polls one queue until told to stop, through everything that passes by itself.

    `handle` is called with each message and returns whether it may be deleted. `idle` is
    called when a long poll brought nothing, `trouble` with a Problem when polling fails in a
    new way, and with None when it works again; `alive` in each round, whatever it brought.
    `failed` is told when a thread of it ends by a fault of ours: the program has to end then.
    """

    def __init__(
        self,
        source: MessageSource,
        handle: Callable[[Message], bool],
        idle: Callable[[], None],
        trouble: Callable[[Problem | None], None],
        alive: Callable[[], None] = lambda: None,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen
        failed: Failed = lambda name, why: None,
    ) -> None:
        self._source = source
        self._handle = handle
        self._idle = idle
        self._trouble = trouble
        self._alive = alive
        self._backoff = backoff
        self._deleter = Deleter(source.delete)
        self._crew = Crew(failed)
        self._handling = Lock()
        self._failures = 0
        self._last_problem = ""

    def start(self, stop: Event, wait_s: int) -> Thread:
        """`run` in a thread, which a long poll does not let hold up the end of the program."""
        return self._crew.start("poll", lambda: self.run(stop, wait_s))

    def start_deleting(self) -> None:
        """Begin to delete in the background; `run` does it by itself."""
        self._deleter.start(self._crew)

    def run(self, stop: Event, wait_s: int) -> None:
        """Poll until `stop` is set. Blocks up to `wait_s` seconds in a long poll."""
        self.start_deleting()
        while not stop.is_set():
            pause_s = self.poll_once(stop, wait_s)
            if pause_s:
                stop.wait(pause_s)

    def poll_once(self, stop: Event, wait_s: int) -> float:
        """One round; returns how many seconds to pause before the next one.

        What it received when `stop` is set goes back to the queue at once: the next viewer
        is not to wait until the queue gives up on this one.
        """
        try:
            self._alive()
            messages = self._source.receive(wait_s)
            self._works()
            if not messages:
                self._idle()
            self._take(messages, stop)
        except Problem as problem:
            return self._fails(problem)
        except Exception as error:  # a fault of ours: told, and the next message has its turn
            return self._fails(Problem(Kind.STRANGE, describe(error)))
        return 0.0

    def finish(self, timeout_s: float = 5.0) -> None:
        """Delete what was handled. Call it after `stop` was set."""
        # A message that was just shown is still to be deleted, the ones behind it released.
        if self._handling.acquire(timeout=timeout_s):
            self._handling.release()
        self._deleter.finish(timeout_s)

    def _take(self, messages: list[Message], stop: Event) -> None:
        with self._handling:
            for number, message in enumerate(messages):
                if not stop.is_set() and self._handle(message):
                    self._deleter.add(message)
                elif stop.is_set():
                    self._release(messages[number:])
                    return

    def _works(self) -> None:
        self._failures = 0
        if self._last_problem:
            self._last_problem = ""
            self._trouble(None)

    def _fails(self, problem: Problem) -> float:
        self._failures += 1
        if str(problem) != self._last_problem:
            self._last_problem = str(problem)
            self._trouble(problem)
        return self._backoff.wait_s(self._failures)

    def _release(self, messages: list[Message]) -> None:
        try:
            self._source.release(messages)
        except Exception:
            return  # they come again when the queue's patience is over
