"""Whether this machine's programs trace clips, and where a device's spans go."""

from __future__ import annotations

from pathlib import Path

from cloud.switch import environment
from contract.traces import TRACES_SETTING, are_traced


def traces_are_on() -> bool:
    """As FACELAB_TRACES says, in the environment or in `.env`."""
    return are_traced(_setting())


def traces_folder(spool: Path) -> Path | None:
    """Where a device's spans go: where FACELAB_TRACES says, else the spool's folder. None when
    there are none."""
    setting = _setting()
    return Path(setting or spool) if are_traced(setting) else None


def _setting() -> str | None:
    return environment().get(TRACES_SETTING)
