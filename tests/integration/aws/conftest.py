"""A person with credentials of their own, and an AWS that is really the emulator."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.switch import Switch, read_switch
from scripts.cli.aws import run
from scripts.provision.publishers import ProcessBundle
from tests.conftest import Lab
from tests.fakes.wire import Wire, recording

KEY = "AKIAFACELABTEST00000"
REGION = "eu-central-1"
CREDENTIALS = f"""
[person]
aws_access_key_id = {KEY}
aws_secret_access_key = secret
aws_session_token = token-of-{KEY}
"""


def as_person(home: Path, patch: pytest.MonkeyPatch, dotenv: str) -> None:
    """Run in `home` with this `.env` and a profile; the environment itself says nothing."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FACELAB_"))]:
        patch.delenv(name)
    (home / "credentials").write_text(CREDENTIALS)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    patch.setenv("AWS_CONFIG_FILE", str(home / "none"))
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # Or whom a test forgets would be forgotten in the lab of whoever runs it.
    patch.setenv("FACELAB_STATE", str(home / "lab"))
    (home / ".env").write_text(dotenv)
    patch.chdir(home)


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    as_person(tmp_path, monkeypatch, f"AWS_PROFILE=person\nAWS_REGION={REGION}\n")
    return tmp_path


@pytest.fixture(scope="session")
def publisher(lab: Lab) -> ProcessBundle:
    """How the function reaches the emulator's ECR: it runs bundles, not images."""
    return ProcessBundle(lab.state / "images")


@pytest.fixture(scope="module")
def on_aws(
    lab: Lab, publisher: ProcessBundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    """A lab that `aws-up` made. Requests to AWS are noted and answered by the emulator."""
    home = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        as_person(
            home,
            patch,
            "FACELAB_BACKEND=aws\nFACELAB_PREFIX=wire\nFACELAB_DEVICE_ID=pi-01\n"
            f"AWS_PROFILE=person\nAWS_REGION={REGION}\n",
        )
        with recording(patch, lab.port) as wire:
            assert run(["up", "--yes"], publisher) == 0
            yield wire
            assert run(["down", "--yes"]) == 0


@pytest.fixture
def aws(lab: Lab, person: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    """An empty account, by endpoint override."""
    (person / ".env").write_text(
        "FACELAB_BACKEND=aws\nFACELAB_PREFIX=life\n"
        f"AWS_ENDPOINT_URL=http://127.0.0.1:{lab.port}\nAWS_REGION={REGION}\n"
        "AWS_ACCESS_KEY_ID=111122223333\nAWS_SECRET_ACCESS_KEY=any\n"
    )
    yield read_switch()
    assert run(["down", "--yes"]) == 0


@pytest.fixture
def device_programs() -> Iterator[None]:
    """Device programs may run in this process: their signal handlers go afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
