"""Tests that need a Docker engine; without one they are skipped, with the reason."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.docker import base_image
from scripts.docker.engine import engine_answers
from scripts.paths import ROOT
from scripts.provision.container_image import build_environment, ca_file

HERE = Path(__file__).parent
ZIP_RUNTIMES = "facelab-zip-runtimes:local"


def why_not() -> str | None:
    """The reason to skip, or None."""
    if os.environ.get("FACELAB_SKIP_DOCKER_TESTS"):
        return "FACELAB_SKIP_DOCKER_TESTS is set"
    if not engine_answers():
        return "no Docker engine with Compose answers (make docker-engine)"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    reason = why_not() if mine else None
    for item in mine:
        item.add_marker(pytest.mark.timeout(600))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def run(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=build_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def lab_images() -> tuple[str, str]:
    """The images of LocalStack with the plugin, and of the registry; `ZIP_RUNTIMES`, too."""
    base_image.ensure(print)
    run("docker", "compose", "build", "--quiet", "localstack", "registry", "zip_runtimes")
    return "facelab-localstack:local", "facelab-registry:local"


@pytest.fixture(scope="session")
def emulator(emulator_of_root: object) -> object:
    return emulator_of_root


@pytest.fixture(scope="session")
def emulator_of_root(lab_images: tuple[str, str]) -> Iterator[object]:
    from tests.integration.docker.emulator import ImageFunctionsEmulator

    settings = {"LAMBDA_RETRY_BASE_DELAY": "1", "IMAGE_FUNCTIONS_ZIP_IMAGE": ZIP_RUNTIMES}
    with ImageFunctionsEmulator(*lab_images, settings=settings) as emulator:
        yield emulator


def build_probe(tag: str, answer: str) -> str:
    run(
        *("docker", "build", "--quiet", "--tag", tag, "--build-arg", f"ANSWER={answer}"),
        *("--secret", f"id=ca,src={ca_file()}", str(HERE / "function")),
    )
    return tag


@pytest.fixture(scope="session")
def probe_image(lab_images: tuple[str, str]) -> str:
    """A function that looks around in its sandbox; see function/probe.py."""
    return build_probe("facelab-test-probe:first", "first")


@pytest.fixture(scope="session")
def other_probe_image(lab_images: tuple[str, str]) -> str:
    """The same function in another version."""
    return build_probe("facelab-test-probe:second", "second")
