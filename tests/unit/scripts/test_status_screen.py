"""The lab on one screen, whatever names and errors hold."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

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
    assert text.splitlines() == [f"{'lab':>12}  down (embedded)", f"{'':>12}  `make up` starts it"]


def test_a_lab_at_another_port_is_not_said_to_be_up():
    """A foreign lab at FACELAB_PORT passed for this checkout's, and got its clips."""
    text = shown({"backend": "embedded", "emulator": "down", "runs_on_port": 4573})
    assert "down" in text
    assert "FACELAB_PORT=4573" in text


def test_where_a_program_reads_nothing_is_folded_filled_up_or_cut_in_the_middle():
    image = "registry/facelab@sha256:" + "ab" * 32
    text = shown(UP | {"image": image, "bucket": "b" * 120})
    assert "facelab@sha256:abababababab…" in text
    assert f"3 in {'b' * 120}" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_narrow_terminal_folds_beside_the_names():
    out = io.StringIO()
    show(UP, Console(file=out, width=60, force_terminal=True, no_color=True))
    lines = Text.from_ansi(out.getvalue()).plain.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 60
    assert all(len(line) > 14 or not line.strip() for line in lines)


def test_an_error_from_outside_moves_no_cursor():
    escape = chr(27)
    more = {"last_error": f"bad {escape}[2J clip", "state_mb": None, "warnings": [f"{escape}[1A"]}
    text = shown(UP | more)
    assert escape not in text
    assert "not kept" in text
