"""How much of the machine a lab takes."""

from __future__ import annotations

import os

from cloud.switch import InvalidSetting, environment

POLL_INTERVAL_S = "0.05"
"""Between two looks at a source of events; as many a second cost nothing worth measuring."""


def concurrency() -> int:
    """How many functions run at a time (FACELAB_CONCURRENCY): by default one a CPU, at least 2.

    More cold starts at once than CPUs make each other slow; further events wait their turn.

    Raises
    ------
    InvalidSetting
        When the setting is no number from 1 to 1000.
    """
    setting = environment().get("FACELAB_CONCURRENCY")
    if not setting:
        return max(2, os.cpu_count() or 2)
    if not setting.isascii() or not setting.isdecimal() or not 1 <= int(setting) <= 1000:
        raise InvalidSetting(f"FACELAB_CONCURRENCY={setting} is not a number from 1 to 1000")
    return int(setting)
