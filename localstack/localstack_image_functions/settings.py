"""The emulator's environment variables that this plugin reads, all in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack_image_functions.errors import InvalidSetting

SANDBOXES = ("process", "container")


@dataclass(frozen=True)
class Settings:
    """How image functions are run.

    `sandbox` (IMAGE_FUNCTIONS_SANDBOX) is `process` or `container`; `lab`
    (IMAGE_FUNCTIONS_LAB) tells several emulators on one machine apart when leftovers are
    swept; `store` (IMAGE_FUNCTIONS_STORE) is the bundle store and `temporary_root`
    (IMAGE_FUNCTIONS_TMP) holds the functions' /tmp, both for processes.
    """

    sandbox: str
    lab: str
    store: Path | None
    temporary_root: Path | None


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises
    ------
    InvalidSetting
        When a value can't be used; the message names the variable.
    """
    sandbox = environment.get("IMAGE_FUNCTIONS_SANDBOX") or "process"
    if sandbox not in SANDBOXES:
        raise InvalidSetting(
            f"IMAGE_FUNCTIONS_SANDBOX={sandbox} is not one of {', '.join(SANDBOXES)}"
        )
    lab = environment.get("IMAGE_FUNCTIONS_LAB") or "lab"
    if "/" in lab:
        raise InvalidSetting(f"IMAGE_FUNCTIONS_LAB={lab} may not contain a slash")
    return Settings(
        sandbox=sandbox,
        lab=lab,
        store=_folder(environment, "IMAGE_FUNCTIONS_STORE"),
        temporary_root=_folder(environment, "IMAGE_FUNCTIONS_TMP"),
    )


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    return Path(value).absolute() if value else None
