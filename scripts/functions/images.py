"""A function's folder as an image in ECR: built by Docker, or read and kept as a bundle."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions import bundles
from scripts.provision.function_image import PublishedImage, lambda_architecture

BASE_IMAGE = "public.ecr.aws/lambda/python"


class BuildFailed(LabError):
    """Docker could not build the folder's image."""


@dataclass(frozen=True)
class Published:
    """An image in ECR, with what was done in place of what its Dockerfile says."""

    image: PublishedImage
    notes: tuple[str, ...] = ()


class FolderPublisher(Protocol):
    """Makes an image of a folder and puts it into the ECR that the switch leads to."""

    def publish(
        self, switch: Switch, name: str, folder: Path, arguments: Mapping[str, str]
    ) -> Published: ...


class BundlePublisher:
    """For the embedded backend: the Dockerfile is read, the image is a bundle in `store`."""

    def __init__(self, store: Path, progress: Progress):
        self._store = store
        self._progress = progress
        self._repositories = Repositories()

    def publish(
        self, switch: Switch, name: str, folder: Path, arguments: Mapping[str, str]
    ) -> Published:
        built = bundles.build(folder, self._store, self._progress, arguments)
        ecr, uri = self._repositories.of(switch, name)
        with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):
            ecr.put_image(
                repositoryName=repository_name(switch, name),
                imageManifest=built.bundle.manifest,
                imageTag="latest",
            )
        image = PublishedImage(
            f"{uri}@{built.bundle.digest}", lambda_architecture(platform.machine())
        )
        return Published(image, built.notes)


class DockerPublisher:
    """For docker and AWS: built and pushed by the engine."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._repositories = Repositories()

    def publish(
        self, switch: Switch, name: str, folder: Path, arguments: Mapping[str, str]
    ) -> Published:
        from scripts.provision.container_image import (
            build_environment,
            engine_runs,
            push_image,
        )
        from scripts.provision.publishers import NoEngine

        bundles.check_folder(folder)
        if not engine_runs():
            raise NoEngine(
                "no Docker engine answers, and the function's image has to be built",
                "start Docker, or FACELAB_BACKEND=embedded, which reads the Dockerfile itself",
            )
        tag = f"facelab-fn-{name.lower()}:local"
        command = ["docker", "build", "--tag", tag]
        for given, value in arguments.items():
            command += ["--build-arg", f"{given}={value}"]
        dockerfile = folder / "Dockerfile"
        stdin = None if dockerfile.is_file() else dockerfile_of_handler(folder)
        command += ["--file", "-" if stdin else str(dockerfile), str(folder)]
        done = subprocess.run(
            command,
            env=build_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
            raise BuildFailed(f"{folder} could not be built:\n{said}")
        _, uri = self._repositories.of(switch, name)
        return Published(push_image(switch, tag, uri, self._progress))


def dockerfile_of_handler(folder: Path) -> str:
    """The Dockerfile that a folder without one means."""
    recipe = bundles.recipe_of_handler(folder)
    lines = [f"FROM {BASE_IMAGE}:{recipe.python}"]
    if recipe.installs:
        lines += ["COPY requirements.txt ./", "RUN pip install -r requirements.txt"]
    return "\n".join([*lines, "COPY . ./", f'CMD ["{recipe.command[0]}"]', ""])


def repository_name(switch: Switch, function: str) -> str:
    return f"{switch.names.prefix}-functions/{function.lower()}"


class Repositories:
    """ECR's repositories of functions, each made or looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str]] = {}

    def of(self, switch: Switch, function: str) -> tuple[Any, str]:
        """A client of ECR and the URI of the function's repository, made if it is not there."""
        name = repository_name(switch, function)
        if name not in self._known:
            ecr = switch.client("ecr")
            with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
                ecr.create_repository(repositoryName=name, imageTagMutability="MUTABLE")
            found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
            self._known[name] = (ecr, found["repositoryUri"])
        return self._known[name]
