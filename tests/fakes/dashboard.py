"""What tests of the dashboard without a lab share."""

from __future__ import annotations

from scripts.dashboard.history import ClipHistory
from scripts.traces.clip_line import read_clip_line

PORT = 8646
OWN = f"http://127.0.0.1:{PORT}"


def keep(history: ClipHistory, message: str, logged_ms: int = 1) -> bool:
    """Put a function's line into a history."""
    line = read_clip_line(message, logged_ms, "stream")
    assert line is not None
    return history.add(message, line)
