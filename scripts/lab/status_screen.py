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
_SHORT_DIGEST = 12


def show(facts: dict[str, Any], console: Console) -> None:
    """Print `status()`'s facts. Colors only where the console is a terminal that wants them."""
    if not console.is_terminal:  # a program reads it: nothing folded, nothing filled up
        for name, text, _ in _rows(facts):
            console.out(f"{name:>12}  {printable(text)}", highlight=False)
        return
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
        yield "", _what_to_do(facts), ""
        return
    kept, letters, error = facts["state_mb"], facts["dead_letters"], facts["last_error"]
    yield "memory", _counted(facts["memory_mb"], " MB"), ""
    yield "state", "not kept (FACELAB_STATE=memory)" if kept is None else f"{kept} MB", ""
    is_active = facts["function"] == "Active"
    image, _, digest = facts["image"].rsplit("/", 1)[-1].partition("@sha256:")
    short = f"{image}@sha256:{digest[:_SHORT_DIGEST]}…" if digest else image
    yield "function", f"{facts['function']}, {short}", "" if is_active else "red"
    yield "functions", _named(facts["functions"]), ""
    yield "clips", f"{facts['clips']} in {facts['bucket']}", ""
    yield "people", str(facts["people"]), ""
    yield "devices", _counted(facts["devices"], " results waiting"), ""
    yield "dead letters", str(letters), "red" if letters else ""
    yield "last error", error or "none in a day", "red" if error else ""
    for warning in facts["warnings"]:
        yield "warning", str(warning), "yellow"


def _what_to_do(facts: dict[str, Any]) -> str:
    if port := facts.get("runs_on_port"):
        return f"it runs on port {port}: FACELAB_PORT={port} uses it, `make down` stops it"
    if facts["emulator"] == "starting":
        return "`make up` waits for it; `make logs ARGS=--emulator` shows what it does"
    return "`make up` starts it"


def _counted(counts: Any, unit: str) -> str:
    if not isinstance(counts, dict):
        return f"{counts}{unit}"
    return _named([f"{name} {count}{unit}" for name, count in counts.items()])


def _named(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return (", ".join(names[:_MOST_NAMED]) or "none") + (f" and {rest} more" if rest > 0 else "")
