"""What `make status` counts."""

from __future__ import annotations

from types import SimpleNamespace

from scripts.console import log_text
from scripts.lab.status import _total


def test_more_clips_than_a_page_holds_are_counted():
    """The screen said 1000 whatever lay in the bucket beyond."""
    pages = [{"KeyCount": 1000}, {"KeyCount": 1000}, {"KeyCount": 7}]
    paginator = SimpleNamespace(paginate=lambda **asked: iter(pages))
    client = SimpleNamespace(get_paginator=lambda call: paginator)
    assert _total(client, "list_objects_v2", "KeyCount", Bucket="b") == 2007


def test_a_traceback_in_a_function_s_log_stands_line_by_line():
    """Lambda joins its lines with carriage returns; each stood there as a backslash and an r."""
    told = log_text("[ERROR] KeyError: 'a'\rTraceback (most recent call last):\r  File \"h.py\"\n")
    assert told.splitlines() == [
        "[ERROR] KeyError: 'a'", "    Traceback (most recent call last):", '      File "h.py"'
    ]  # fmt: skip
    assert "\x1b" not in log_text("said \x1b[2J\rmore")
