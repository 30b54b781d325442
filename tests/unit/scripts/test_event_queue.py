"""Before the queue between S3 and the function goes, what waits in it is answered."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from contract.names import Names
from scripts.provision import deployment, event_queue
from scripts.provision.event_queue import has_queue, wait_until_empty


class Sqs:
    """Two queues, of which each look finds what `left` says next; the last of it for good."""

    class exceptions:  # noqa: N801  as boto3 names it
        QueueDoesNotExist = type("QueueDoesNotExist", (Exception,), {})

    def __init__(self, *left: int, is_there: bool = True) -> None:
        self.left, self.is_there = list(left), is_there

    def get_queue_url(self, QueueName: str):  # noqa: N803
        if not self.is_there:
            raise self.exceptions.QueueDoesNotExist
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]):  # noqa: N803
        if QueueUrl.endswith("failed-events"):
            return {"Attributes": dict.fromkeys(AttributeNames, "0")}
        left = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        hidden = "ApproximateNumberOfMessagesNotVisible"
        return {"Attributes": {name: str(left * (name == hidden)) for name in AttributeNames}}


def switch(sqs: Sqs) -> SimpleNamespace:
    return SimpleNamespace(client=lambda service: sqs, names=Names())


def test_messages_that_are_only_hidden_are_waited_for(monkeypatch):
    """One that failed is in no count of what can be received, and went with its queue."""
    monkeypatch.setattr(event_queue, "POLL_S", 0.0)
    said, sqs = [], Sqs(2, 1, 0, 7)
    wait_until_empty(switch(sqs), said.append)
    assert (sqs.left, said) == ([7], [])


def test_what_never_ends_is_left_to_the_schedule_with_a_warning(monkeypatch):
    monkeypatch.setattr(event_queue, "POLL_S", 0.0)
    monkeypatch.setattr(event_queue, "PATIENCE_S", 0.01)
    said = []
    wait_until_empty(switch(Sqs(3)), said.append)
    assert said == ["warning: 3 events are still in their queue; the schedule sends them"]


def test_a_stack_made_by_half_has_no_queue_to_wait_for():
    wait_until_empty(switch(Sqs(3, is_there=False)), pytest.fail)


def stack(value: str | None) -> dict:
    given = [{"ParameterKey": "Prefix", "ParameterValue": "queue"}]
    if value:
        given.append({"ParameterKey": "Events", "ParameterValue": value})
    return {"Parameters": given}


@pytest.mark.parametrize(
    ("before", "wanted", "steps"),
    [
        (None, "direct", ["direct"]),
        (stack(None), "direct", ["direct"]),  # of a version before there was a choice
        (stack("direct"), "direct", ["direct"]),
        (stack("direct"), "queue", ["queue"]),
        (stack("queue"), "queue", ["queue"]),
        (stack("queue"), "direct", ["draining", "empty", "direct"]),
        (stack("draining"), "direct", ["draining", "empty", "direct"]),  # interrupted
    ],
)
def test_only_a_lab_that_leaves_its_queue_moves_in_two_steps(monkeypatch, before, wanted, steps):
    assert has_queue(before) is (before in (stack("queue"), stack("draining")))
    done: list[str] = []
    stacks = SimpleNamespace(
        describe=lambda name: before,
        deploy=lambda name, template, parameters: done.append(parameters["Events"]),
    )
    monkeypatch.setattr(deployment, "Stacks", lambda *_: stacks)
    monkeypatch.setattr(deployment, "parameters", lambda *_: {"Events": wanted})
    monkeypatch.setattr(deployment, "wait_until_empty", lambda *_: done.append("empty"))
    for later in ("_reserve", "add_device", "seed", "warm_up"):
        monkeypatch.setattr(deployment, later, lambda *_: None, raising=False)
    aws = SimpleNamespace(names=Names(), endpoint_url=None, is_aws=True, device_id="lab")
    deployment.deploy(aws, SimpleNamespace(), lambda text: None)
    assert done == steps
