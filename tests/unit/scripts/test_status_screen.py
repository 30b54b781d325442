"""The lab on one screen, whatever names and errors hold."""

from __future__ import annotations

import io

from rich.console import Console

from scripts.lab.status_screen import show

UP = {
    "backend": "embedded", "emulator": "up", "endpoint": "http://127.0.0.1:4566", "uptime_s": 3700,
    "function": "Active", "image": "registry/facelab@sha256:0", "bucket": "b", "clips": 3,
    "people": 2, "device": "lab", "devices": {f"pi-{n:02}": n for n in range(30)},
    "functions": ["facelab-recognize"], "last_error": None, "results_waiting": 0,
    "dead_letters": 0, "memory_mb": {"localstack": 90, "function-1": 200}, "state_mb": 1.5,
    "warnings": [],
}  # fmt: skip


def shown(facts: dict) -> str:
    out = io.StringIO()
    show(facts, Console(file=out, width=100))
    return out.getvalue()


def test_it_is_one_screen_also_with_many_devices():
    text = shown(UP)
    assert len(text.splitlines()) <= 24
    assert "1:01:40" in text
    assert "18 more" in text
    assert "none in a day" in text


def test_a_lab_that_is_down_says_only_that():
    text = shown({"backend": "embedded", "emulator": "down"})
    assert text.split() == ["lab", "down", "(embedded)"]


def test_an_error_from_outside_moves_no_cursor():
    escape = chr(27)
    more = {"last_error": f"bad {escape}[2J clip", "state_mb": None, "warnings": [f"{escape}[1A"]}
    text = shown(UP | more)
    assert escape not in text
    assert "not kept" in text
