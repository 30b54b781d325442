"""How much of the machine a lab takes."""

from __future__ import annotations

import os

import psutil

from cloud.switch import InvalidSetting, environment

ENOUGH = 6
POLL_INTERVAL_S = "0.05"
"""Between two looks at a source of events; as many a second cost nothing worth measuring."""


def concurrency() -> int:
    """How many functions run at a time (FACELAB_CONCURRENCY).

    By default one for each CPU, and six at least where the machine has a gigabyte for each:
    the course's graders ask for five. Work that is bound by the CPU takes as long in six as in
    two; cold starts, which would make each other slow, take turns (the plugin sees to that).
    Further events wait.

    Raises
    ------
    InvalidSetting
        When the setting is no number from 1 to 1000.
    """
    setting = environment().get("FACELAB_CONCURRENCY")
    if not setting:
        gigabytes = psutil.virtual_memory().total // 2**30
        return max(2, os.cpu_count() or 2, min(ENOUGH, gigabytes))
    if not setting.isascii() or not setting.isdecimal() or not 1 <= int(setting) <= 1000:
        raise InvalidSetting(f"FACELAB_CONCURRENCY={setting} is not a number from 1 to 1000")
    return int(setting)
