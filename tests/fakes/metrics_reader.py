"""Reads a device program's page of metrics at the moment at which it says something."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass, field

import pytest

from device.console import Console


@dataclass
class MetricsReader:
    """What was on the page each time, and the port on which it was."""

    port: int = 0
    pages: list[str] = field(default_factory=list)


def read_metrics_at(said: str, monkeypatch: pytest.MonkeyPatch) -> MetricsReader:
    """Look at the page whenever a program's console says the event `said`."""
    reader = MetricsReader()
    event = Console.event

    def look(console: Console, name: str, **fields: object) -> None:
        event(console, name, **fields)
        if name == "metrics":
            reader.port = int(str(fields["port"]))
        elif name == said:
            with urllib.request.urlopen(f"http://127.0.0.1:{reader.port}/metrics") as answer:
                reader.pages.append(answer.read().decode())

    monkeypatch.setattr(Console, "event", look)
    return reader
