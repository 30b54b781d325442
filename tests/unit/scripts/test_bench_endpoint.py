"""Another program's answers never end the bench, and never count as a success."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from scripts.bench.endpoint_probes import EndpointUnreachable, LabImage, Probes
from scripts.cli.bench_lab import endpoint
from scripts.errors import LabError


class Strange:
    """An endpoint that takes everything and answers nonsense."""

    exceptions: Any = type("Exceptions", (), {"ResourceNotFoundException": KeyError})

    def __getattr__(self, operation: str) -> Any:
        if operation == "create_role":
            return lambda **_: {"Role": {"Arn": "arn:aws:iam::1:role/r"}}
        return lambda **_: {"unforeseen": operation}


class Silent:
    def __getattr__(self, _operation: str) -> Any:
        def call(**_: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

        return call


def probes(client: Any) -> Probes:
    return Probes(lambda _: client, "http://127.0.0.1:1", "probe", LabImage("{}", {}))


def test_whatever_an_endpoint_answers_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("scripts.bench.endpoint_probes.LIMIT_S", 0.0)
    found = probes(Strange()).all()
    assert not any(one.works for one in found)
    assert all(one.said for one in found)
    assert found[1].said == "KeyError: 'QueueUrl'"


def test_an_endpoint_that_is_not_there_is_no_finding():
    with pytest.raises(EndpointUnreachable, match="nothing answers at"):
        probes(Silent()).all()


def test_what_can_not_be_removed_is_left():
    probes(Silent()).clear()


@pytest.mark.parametrize("url", ["", "https://example.com", "http://127.0.0.1.example.com:80"])
def test_only_this_machine_is_measured(url: str):
    with pytest.raises(LabError, match="no address of this machine"):
        endpoint([url])
