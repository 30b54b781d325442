"""The embedded lab, as its commands see it: at its own port, or not."""

from __future__ import annotations

import os
from types import SimpleNamespace

import psutil
import pytest

from scripts.console import Progress
from scripts.lab import embedded
from scripts.lab.embedded import EmbeddedBackend, PortTaken
from scripts.lab.state import EmulatorProcess


@pytest.fixture
def elsewhere(monkeypatch) -> EmbeddedBackend:
    """This checkout's lab runs at port 4573; whatever has the port that is asked for, answers."""
    monkeypatch.setattr(embedded, "hook_states", lambda port: ["SUCCESSFUL"])
    running = EmulatorProcess(os.getpid(), psutil.Process().create_time(), 4573)
    switch = SimpleNamespace(port=4566, endpoint_url="http://127.0.0.1:4566")
    return EmbeddedBackend(switch, SimpleNamespace(emulator=lambda: running), Progress(quiet=True))  # type: ignore[arg-type]


def test_another_lab_at_the_port_is_not_taken_for_this_one(elsewhere):
    """`make e2e` in a second shell, without FACELAB_PORT, played its film to a foreign lab."""
    assert not elsewhere.is_up()
    assert elsewhere.describe() == {"emulator": "down", "runs_on_port": 4573}
    with pytest.raises(PortTaken, match="4573"):
        elsewhere.start()


def test_at_its_own_port_it_is_up(elsewhere):
    elsewhere._switch.port = 4573
    assert elsewhere.is_up()
