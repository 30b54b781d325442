"""What is up and what waits where, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract.printable import printable

_MOST_NAMED = 12
_SHORT_IMAGE = 60


def show(facts: dict[str, Any], console: Console) -> None:
    """Print `status()`'s facts. Colors only where the console is a terminal that wants them."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text, style in _rows(facts):
        table.add_row(name, Text(printable(text), style))
    console.print(table)


def _rows(facts: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(what, how it is, style)."""
    is_up = facts["emulator"] == "up"
    place = f" at {facts['endpoint']}" if "endpoint" in facts else ""
    uptime = f", for {timedelta(seconds=facts['uptime_s'])}" if "uptime_s" in facts else ""
    state = f"{facts['emulator']} ({facts['backend']}){place}{uptime}"
    yield "lab", state, "green" if is_up else "yellow"
    if not is_up:
        return
    kept, letters, error = facts["state_mb"], facts["dead_letters"], facts["last_error"]
    yield "memory", _counted(facts["memory_mb"], " MB"), ""
    yield "state", "not kept (FACELAB_STATE=memory)" if kept is None else f"{kept} MB", ""
    is_active = facts["function"] == "Active"
    image = facts["image"].rsplit("/", 1)[-1]
    yield "function", f"{facts['function']}, {image[:_SHORT_IMAGE]}", "" if is_active else "red"
    yield "functions", _named(facts["functions"]), ""
    yield "clips", f"{facts['clips']} in {facts['bucket']}", ""
    yield "people", str(facts["people"]), ""
    yield "devices", _counted(facts["devices"], " results waiting"), ""
    yield "dead letters", str(letters), "red" if letters else ""
    yield "last error", error or "none in a day", "red" if error else ""
    for warning in facts["warnings"]:
        yield "warning", str(warning), "yellow"


def _counted(counts: Any, unit: str) -> str:
    if not isinstance(counts, dict):
        return f"{counts}{unit}"
    return _named([f"{name} {count}{unit}" for name, count in counts.items()])


def _named(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return (", ".join(names[:_MOST_NAMED]) or "none") + (f" and {rest} more" if rest > 0 else "")
