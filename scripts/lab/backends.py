"""Which emulator backend the lab runs on."""

from __future__ import annotations

from typing import Any, Protocol

from cloud.switch import Switch
from scripts.console import Progress
from scripts.docker.engine import engine_answers
from scripts.errors import LabError
from scripts.lab.docker import DockerBackend
from scripts.lab.embedded import EmbeddedBackend
from scripts.lab.memory import ProcessFacts
from scripts.lab.state import LabState


class BackendUnavailable(LabError):
    """The chosen backend can't run here."""


class Backend(Protocol):
    """A place where LocalStack runs."""

    name: str

    def is_up(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def forget(self) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    def processes(self) -> list[ProcessFacts]: ...
    def emulator_log(self, lines: int) -> str: ...


def choose_backend(switch: Switch, state: LabState, progress: Progress) -> Backend:
    """The backend that the switch names, or the one that fits this machine.

    A lab that already runs is not left for another backend because an engine was started.

    Raises
    ------
    BackendUnavailable
        For `aws`, which is not an emulator.
    """
    if switch.is_aws:
        raise BackendUnavailable(
            "FACELAB_BACKEND=aws is AWS itself; there is no emulator to start or stop",
            "`make aws-up`, `make aws-down`; for the emulator: FACELAB_BACKEND=embedded",
        )
    embedded = EmbeddedBackend(switch, state, progress)
    running = state.emulator()
    if switch.backend == "embedded" or (
        switch.backend is None and ((running and running.process()) or not engine_answers())
    ):
        return embedded
    return DockerBackend(switch, state, progress)
