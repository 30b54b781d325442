"""The function is warm once the lab is up, and a function that fails is told, not fatal."""

from __future__ import annotations

import io
import json
import threading
from types import SimpleNamespace

import pytest
from botocore.exceptions import ReadTimeoutError

from contract.names import Names
from scripts.console import Progress
from scripts.provision.warmth import begin_to_warm_up, warm_up, warming_up


class Busy(Exception):
    """boto3 makes such a class for each client."""


class Refusals:
    TooManyRequestsException = Busy


class Cloud:
    """A switch whose function gives `answer`."""

    names = Names()

    def __init__(self, answer: dict | Exception, is_aws: bool = False):
        self.answer, self.is_aws = answer, is_aws
        self.invoked: list[dict] = []
        self.clients: list[dict] = []
        self.begun = threading.Event()

    def client(self, service: str, **config):
        self.clients.append(config)
        return SimpleNamespace(invoke=self._invoke, exceptions=Refusals)

    def _invoke(self, **request):
        self.begun.set()
        self.invoked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        payload = self.answer.get("Payload", b"{}")
        return {**self.answer, "Payload": io.BytesIO(payload)}


@pytest.fixture
def told(monkeypatch):
    said = []
    monkeypatch.setattr(Progress, "__call__", lambda self, message: said.append(message))
    return said


def test_two_environments_start_by_events_without_clips(told):
    cloud = Cloud({})
    warm_up(cloud, Progress())
    assert [one["FunctionName"] for one in cloud.invoked] == ["facelab-recognize"] * 2
    assert all(json.loads(one["Payload"]) == {"Records": []} for one in cloud.invoked)
    assert told == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"FunctionError": "Unhandled", "Payload": b'{"errorMessage": "no models"}'},
         "no models"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1"), "not warm"),
    ],
)  # fmt: skip
def test_a_function_that_fails_is_told_and_the_lab_is_up_all_the_same(told, answer, words):
    warm_up(Cloud(answer), Progress())
    assert len(told) == 1
    assert words in told[0]


def test_it_warms_up_while_people_are_seeded_and_is_warm_afterwards():
    cloud = Cloud({})
    with warming_up(cloud, Progress(quiet=True)):
        assert cloud.begun.wait(10)
    assert len(cloud.invoked) == 2


def test_make_up_does_not_wait_for_models_nor_complain_that_they_take_their_time(told):
    cloud = Cloud(ReadTimeoutError(endpoint_url="http://127.0.0.1"))
    begin_to_warm_up(cloud)
    assert len(cloud.invoked) == 2
    assert all(one["read_timeout"] < 1 for one in cloud.clients)
    assert told == []


def test_a_function_that_is_busy_is_warm(told):
    warm_up(Cloud(Busy()), Progress())
    assert told == []


def test_nothing_is_invoked_on_aws():
    cloud = Cloud({}, is_aws=True)
    with warming_up(cloud, Progress(quiet=True)):
        pass
    assert cloud.invoked == []
