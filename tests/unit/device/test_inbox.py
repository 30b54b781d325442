"""The result queue as the device asks it, and the poller round by round."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from device.backoff import Backoff
from device.crew import Crew
from device.inbox import BATCH, WAIT_S, Deleter, Message, Poller, SqsQueue
from device.problems import Kind, Problem


class Sqs:
    """A client that notes its calls; `answers` by operation, an exception among them is raised."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict]] = []
        self.answers: dict[str, object] = {"get_queue_url": {"QueueUrl": "url"}}

    def __getattr__(self, operation: str):
        def call(**arguments):
            self.calls.append((operation, arguments))
            answer = self.answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Switch:
    """Gives one client after another."""

    names = SimpleNamespace(result_queue=lambda device_id: f"results of {device_id}")

    def __init__(self) -> None:
        self.clients: list[Sqs] = []
        self.settings: dict = {}
        self.renewals = 0
        self.problem: Exception | None = None

    def client(self, service: str, **settings) -> Sqs:
        if self.problem:
            raise self.problem
        assert service == "sqs"
        self.settings = settings
        self.clients.append(Sqs())
        return self.clients[-1]

    def renew(self) -> None:
        self.renewals += 1


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def queue(switch: Switch) -> SqsQueue:
    queue = SqsQueue(switch, "lab")
    queue.prepare()
    return queue


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ReceiveMessage")


def message(number: int) -> Message:
    return Message(f"body {number}", f"id {number}", f"receipt {number}")


class TestQueue:
    def test_one_client_is_made_that_waits_longer_than_a_long_poll(self, queue, switch):
        queue.prepare()
        queue.receive(1)
        assert len(switch.clients) == 1
        assert switch.settings["read_timeout"] == WAIT_S + 10
        assert switch.settings["tcp_keepalive"]
        assert switch.settings["retries"] == {"mode": "standard", "total_max_attempts": 1}

    def test_a_client_that_can_not_be_made_is_a_problem(self, switch):
        switch.problem = ImportError("boto3")
        with pytest.raises(Problem):
            SqsQueue(switch, "lab").prepare()

    @pytest.mark.parametrize(("asked", "waits"), [(0, 0), (3, 3), (5, 5), (20, 5)])
    def test_a_poll_takes_up_to_ten_and_waits_no_longer_than_it_may(
        self, queue, switch, asked, waits
    ):
        (sqs,) = switch.clients
        sqs.answers["receive_message"] = {
            "Messages": [
                {"Body": f"body {n}", "MessageId": f"id {n}", "ReceiptHandle": f"receipt {n}"}
                for n in range(2)
            ]
        }
        assert queue.receive(asked) == [message(0), message(1)]
        assert sqs.calls == [
            ("get_queue_url", {"QueueName": "results of lab"}),
            (
                "receive_message",
                {"QueueUrl": "url", "MaxNumberOfMessages": 10, "WaitTimeSeconds": waits},
            ),
        ]

    def test_an_empty_queue_gives_nothing_and_is_looked_up_once(self, queue, switch):
        assert queue.receive(1) == queue.receive(1) == []
        assert [name for name, _ in switch.clients[0].calls].count("get_queue_url") == 1

    @pytest.mark.parametrize(
        "answer", [None, [], {"Messages": [{"Body": "b"}]}, {"Messages": 5}, {"Messages": ["x"]}]
    )
    def test_an_answer_that_is_none_of_sqs_is_told_as_strange(self, queue, switch, answer):
        switch.clients[0].answers["receive_message"] = answer
        with pytest.raises(Problem) as raised:
            queue.receive(1)
        assert raised.value.kind is Kind.STRANGE
        assert "queue results of lab" in str(raised.value)

    def test_what_sqs_did_not_delete_is_given_back(self, queue, switch):
        (sqs,) = switch.clients
        sqs.answers["delete_message_batch"] = {"Failed": [{"Id": "1"}]}
        assert queue.delete([message(n) for n in range(3)]) == [message(1)]
        assert sqs.calls[-1] == (
            "delete_message_batch",
            {
                "QueueUrl": "url",
                "Entries": [{"Id": str(n), "ReceiptHandle": f"receipt {n}"} for n in range(3)],
            },
        )
        sqs.answers["delete_message_batch"] = {}
        assert queue.delete([message(0)]) == []

    def test_what_is_released_comes_again_at_once(self, queue, switch):
        queue.release([message(4)])
        assert switch.clients[0].calls[-1] == (
            "change_message_visibility_batch",
            {
                "QueueUrl": "url",
                "Entries": [{"Id": "0", "ReceiptHandle": "receipt 4", "VisibilityTimeout": 0}],
            },
        )

    @pytest.mark.parametrize(
        ("code", "is_renewed"),
        [
            ("ExpiredToken", True), ("AccessDenied", True), ("ServiceUnavailable", False),
            ("AWS.SimpleQueueService.NonExistentQueue", False),
        ],
    )  # fmt: skip
    def test_only_where_credentials_are_the_trouble_the_next_try_has_new_ones(
        self, queue, switch, code, is_renewed
    ):
        switch.clients[0].answers["receive_message"] = refusal(code)
        with pytest.raises(Problem):
            queue.receive(1)
        assert switch.renewals == is_renewed
        if is_renewed:
            assert queue.receive(1) == []
        assert len(switch.clients) == 1 + is_renewed


class TestDeleter:
    def deleted(self, count: int, fail_first: bool = False) -> list[list[str]]:
        batches: list[list[str]] = []

        def delete(messages: list[Message]) -> list[Message]:
            batches.append([one.body for one in messages])
            if fail_first and len(batches) == 1:
                raise ConnectionError
            return []

        deleter = Deleter(delete)
        for number in range(count):
            deleter.add(message(number))
        deleter.start(Crew(lambda name, why: pytest.fail(why)))
        deleter.finish(10)
        return batches

    def test_all_is_deleted_at_the_end_in_batches_as_large_as_sqs_takes(self):
        batches = self.deleted(2 * BATCH + 3)
        assert [len(batch) for batch in batches] == [BATCH, BATCH, 3]
        everything = [body for batch in batches for body in batch]
        assert everything == [f"body {number}" for number in range(2 * BATCH + 3)]

    @pytest.mark.parametrize("count", [0, 1, BATCH])
    def test_a_last_batch_that_is_empty_is_not_asked_for(self, count):
        assert [len(batch) for batch in self.deleted(count)] == [count] * (count > 0)

    def test_a_batch_that_fails_does_not_keep_the_next_one(self):
        assert len(self.deleted(BATCH + 1, fail_first=True)) == 2

    def test_what_never_began_ends(self):
        Deleter(lambda messages: []).finish(0.01)


class Rounds:
    """A source whose rounds are given, and what its poller told."""

    def __init__(self, *rounds: object) -> None:
        self.rounds = list(rounds)
        self.told: list[str] = []
        self.released: list[str] = []
        self.waits: list[int] = []
        self.release_fails = False

    def receive(self, wait_s: int) -> list[Message]:
        self.waits.append(wait_s)
        what = self.rounds.pop(0)
        if isinstance(what, Exception):
            raise what
        return [Message(body, body, body) for body in what]

    def delete(self, messages: list[Message]) -> list[Message]:
        return []

    def release(self, messages: list[Message]) -> None:
        self.released += [one.body for one in messages]
        if self.release_fails:
            raise ConnectionError

    def poller(self, handle=lambda message: True) -> Poller:
        return Poller(
            self,
            handle,
            idle=lambda: self.told.append("idle"),
            trouble=lambda problem: self.told.append(str(problem) if problem else "over"),
            alive=lambda: self.told.append("alive"),
            backoff=Backoff(1.0, 100.0, random=lambda: 1.0),
        )


DOWN, DENIED = Problem(Kind.NETWORK, "down"), Problem(Kind.DENIED, "denied")


def test_each_failure_in_a_row_pauses_longer_and_a_success_ends_that():
    source = Rounds(DOWN, DOWN, DOWN, ["a"], DOWN)
    poller, stop = source.poller(), threading.Event()
    assert [poller.poll_once(stop, 3) for _ in range(5)] == [2.0, 4.0, 8.0, 0.0, 2.0]
    assert source.waits == [3] * 5


def test_trouble_is_told_once_another_one_again_and_its_end_once():
    source = Rounds(DOWN, DOWN, DENIED, ["a"], ["b"], DENIED)
    poller, stop = source.poller(), threading.Event()
    for _ in range(6):
        poller.poll_once(stop, 1)
    assert [one for one in source.told if one != "alive"] == ["down", "denied", "over", "denied"]
    assert source.told.count("alive") == 6


def test_only_a_poll_that_brought_nothing_is_idle():
    source = Rounds([], ["a"], [])
    poller, stop = source.poller(), threading.Event()
    for _ in range(3):
        poller.poll_once(stop, 1)
    assert source.told == ["alive", "idle", "alive", "alive", "idle"]


def test_what_is_not_handled_is_neither_deleted_nor_released_while_it_goes_on():
    source = Rounds(["a", "b"])
    poller = source.poller(handle=lambda message: message.body == "b")
    poller.poll_once(threading.Event(), 1)
    assert source.released == []
    deleted = poller._deleter._handled
    assert deleted.get_nowait().body == "b"
    assert deleted.empty()


def test_a_release_that_fails_ends_nothing():
    stop = threading.Event()
    source = Rounds(["a", "b"])
    source.release_fails = True
    poller = source.poller(handle=lambda message: stop.set() or True)
    assert poller.poll_once(stop, 1) == 0.0
    assert source.released == ["b"]


def test_a_poller_pauses_after_a_failure_and_not_otherwise():
    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            self.set()
            return True

    pauses: list[float] = []
    source = Rounds(["a"], [], DOWN)
    poller, stop = source.poller(), Stop()
    poller.run(stop, 1)
    poller.finish(5)
    assert pauses == [2.0]


def test_the_end_waits_for_the_message_that_is_being_shown_but_not_for_ever():
    began, go_on = threading.Event(), threading.Event()
    stop = threading.Event()

    def handle(message: Message) -> bool:
        began.set()
        return go_on.wait(30)

    source = Rounds(["a", "b"], [], [])
    poller = source.poller(handle)
    thread = poller.start(stop, 1)
    assert began.wait(10)
    stop.set()
    poller.finish(0.05)
    assert thread.is_alive()
    go_on.set()
    thread.join(10)
    assert source.released == ["b"]
    assert not poller._handling.locked()
