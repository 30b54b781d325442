"""One Chromium for the tests of a file; names that an attacker would use are this machine's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.develop.browser import NoBrowser, browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    try:
        with browser("--host-resolver-rules=MAP *.example 127.0.0.1") as opened:
            yield opened
    except NoBrowser as missing:
        pytest.skip(f"{missing}: {missing.hint}")
