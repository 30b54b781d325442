"""What every test may use. Labs that tests start are their own: other port, other state."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from cloud.switch import Switch, read_switch
from scripts.paths import ROOT, import_roots
from tests.took import Took

T = TypeVar("T")

try:
    from hypothesis import settings
except ModuleNotFoundError:
    pass  # the training environment has none, nor a test that asks for it
else:
    # How long an example takes says nothing on a machine that does other work.
    settings.register_profile("facelab", deadline=None)
    settings.load_profile("facelab")


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.has_plugin("cacheprovider"):  # the mutation run keeps nothing
        config.pluginmanager.register(Took())


def wait_until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The first truthy value of `condition`; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}; last value: {value!r}")
        time.sleep(0.05)  # between polls


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Lab:
    """A lab of the tests' own, driven by the same commands that people use."""

    state: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        host = {k: v for k, v in os.environ.items() if not k.startswith(("FACELAB_", "AWS_"))}
        return {
            **host,
            "PYTHONPATH": os.pathsep.join(import_roots()),
            "FACELAB_BACKEND": "embedded",
            "FACELAB_STATE": str(self.state),
            "FACELAB_PORT": str(self.port),
            "FACELAB_TRACES": str(self.state / "traces"),
            **self.environment,
        }

    @property
    def switch(self) -> Switch:
        return read_switch(self.env)

    def run(self, *module_and_arguments: str, check: bool = True, timeout: float = 180):
        """`python -m MODULE ARGUMENTS…` in this lab's environment."""
        return subprocess.run(
            [sys.executable, "-m", *module_and_arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=check,
        )

    def up(self, timeout: float = 180) -> None:
        done = self.run("scripts.cli.lab", "up", check=False, timeout=timeout)
        assert done.returncode == 0, done.stderr

    def down(self) -> None:
        self.run("scripts.cli.lab", "down")


@pytest.fixture(autouse=True)
def _pillow_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """face_recognition, when a test imports it, lets Pillow accept truncated pictures."""
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that is up, shared by all tests that leave it as they found it."""
    lab = Lab(tmp_path_factory.mktemp("lab"), free_port(), {"HOST_SECRET": "must-not-travel"})
    lab.up()
    yield lab
    lab.down()


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab for a test that breaks it; not started yet."""
    lab = Lab(tmp_path / "state", free_port())
    yield lab
    lab.down()
