"""How the function reaches ECR: as a container image, or as a bundle for process sandboxes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.function_image import PublishedImage, publish_bundle


class NoEngine(LabError):
    """There is no Docker engine to build the image with."""


class Publisher(Protocol):
    """Puts the function into the ECR that the switch leads to."""

    def check(self) -> None:
        """Raise a LabError now when `publish` could not work here."""

    def publish(self, switch: Switch, progress: Progress) -> PublishedImage: ...


class ContainerImage:
    """Built and pushed by the Docker engine: for AWS and the docker backend."""

    def check(self) -> None:
        from scripts.provision.container_image import engine_runs

        if not engine_runs():
            raise NoEngine(
                "no Docker engine answers, and the function's image has to be built",
                "start Docker (it need not be the machine that the cameras run on), then again",
            )

    def publish(self, switch: Switch, progress: Progress) -> PublishedImage:
        from scripts.provision.container_image import publish_image

        return publish_image(switch, progress)


class ProcessBundle:
    """Files in a local store and a manifest in ECR: for the embedded emulator alone."""

    def __init__(self, store: Path):
        self._store = store

    def check(self) -> None:
        """Nothing is needed."""

    def publish(self, switch: Switch, progress: Progress) -> PublishedImage:
        return publish_bundle(switch, self._store, progress)


def publisher_for(switch: Switch, store: Path) -> Publisher:
    """The one that fits the backend. `store` is where bundles are kept."""
    return ContainerImage() if switch.backend in ("docker", "aws") else ProcessBundle(store)
