"""Which emulator backend the lab runs on."""

from __future__ import annotations

from typing import Any, Protocol

from contract.switch import Switch
from scripts.console import LabError, Progress
from scripts.lab.embedded import EmbeddedBackend
from scripts.lab.state import LabState


class BackendUnavailable(LabError):
    """The chosen backend can't run here."""


class Backend(Protocol):
    """A place where LocalStack runs."""

    name: str

    def is_up(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def describe(self) -> dict[str, Any]: ...


def choose_backend(switch: Switch, state: LabState, progress: Progress) -> Backend:
    """The backend that the switch names, or the one that fits this machine.

    Raises
    ------
    BackendUnavailable
        For `docker`, which is not built yet, and for `aws`, which is not an emulator.
    """
    if switch.backend == "docker":
        raise BackendUnavailable(
            "the docker backend is not built yet", "FACELAB_BACKEND=embedded runs without Docker"
        )
    if switch.is_aws:
        raise BackendUnavailable("FACELAB_BACKEND=aws is AWS itself; there is no emulator to start")
    return EmbeddedBackend(switch, state, progress)
