"""With FACELAB_BACKEND=aws everything goes to AWS as ourselves; without, nothing does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloud.credentials import DummyCredentials
from cloud.switch import read_switch
from device import camera, messages
from scripts.cli import model as deploy_model
from scripts.cli.devices import main as devices
from scripts.cli.people import main as gallery
from scripts.paths import ROOT
from scripts.provision.people import SHIPPED
from tests.conftest import Lab
from tests.fakes.wire import Wire, recording
from tests.integration.aws.conftest import KEY, REGION

FILM = str(ROOT / "fixtures" / "lab.h264")


def command(monkeypatch: pytest.MonkeyPatch, main, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["command", *arguments])
    assert main() == 0


def use_everything(monkeypatch: pytest.MonkeyPatch, spool: Path) -> None:
    """Every command of device and lab that talks to a cloud."""
    device = ["--device", "pi-02", "--spool", str(spool)]
    command(monkeypatch, devices, "add", "pi-02")
    assert camera.main([*device, "--source", FILM, "--count", "2", "--speed", "4"]) == 0
    assert messages.main([*device, "--count", "2", "--idle-timeout", "150"]) == 0
    command(monkeypatch, gallery, "roster")
    command(monkeypatch, deploy_model.main, "--model", str(SHIPPED.model))
    command(monkeypatch, deploy_model.main, "--rollback")
    command(monkeypatch, gallery, "forget", "--person-id", "joe-biden", "--yes")
    command(monkeypatch, devices, "policy", "pi-02")
    command(monkeypatch, devices, "remove", "pi-02")


def test_with_backend_aws_no_request_goes_to_the_emulator_nor_carries_dummy_credentials(
    on_aws: Wire, device_programs, monkeypatch, tmp_path
):
    use_everything(monkeypatch, tmp_path / "spool")
    services = {call.service for call in on_aws.calls}
    assert services >= {"s3", "sqs", "sts", "dynamodb", "cloudformation", "ecr"}
    assert ("sqs", "DeleteMessageBatch") in on_aws.operations(), "no result was taken"
    for call in on_aws.calls:
        assert call.host.endswith(".amazonaws.com"), call
        assert (call.access_key, call.session_token) == (KEY, f"token-of-{KEY}"), call
        assert call.region == REGION, call
        assert not call.resource or call.resource.startswith("wire-"), "a name made by hand"
    assert not {"AWS_PROFILE", "AWS_REGION"} & os.environ.keys(), "they stand in .env alone"


def test_with_the_emulator_no_real_credential_travels_and_nothing_goes_to_aws(
    lab: Lab, person: Path, device_programs, monkeypatch, tmp_path
):
    (person / ".env").write_text("")
    monkeypatch.setenv("FACELAB_PORT", str(lab.port))
    monkeypatch.setenv("AWS_PROFILE", "person")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with recording(monkeypatch) as wire:
        device = ["--device", "pi-02", "--spool", str(tmp_path / "spool")]
        command(monkeypatch, devices, "add", "pi-02")
        assert camera.main([*device, "--source", FILM, "--count", "2", "--speed", "4"]) == 0
        assert messages.main([*device, "--count", "2", "--idle-timeout", "150"]) == 0
        command(monkeypatch, gallery, "roster")
        command(monkeypatch, devices, "remove", "pi-02")
    assert {call.service for call in wire.calls} >= {"s3", "sqs", "sts", "dynamodb"}
    assert ("sqs", "DeleteMessageBatch") in wire.operations(), "no result was taken"
    for call in wire.calls:
        assert call.host == f"127.0.0.1:{lab.port}", call
        assert (call.access_key, call.session_token) == ("test", None), call


def test_dummy_credentials_left_in_a_profile_do_not_travel_to_aws(person: Path, monkeypatch):
    monkeypatch.setenv("FACELAB_BACKEND", "aws")
    (person / "credentials").write_text(
        "[person]\naws_access_key_id = test\naws_secret_access_key = test\n"
    )
    with (
        recording(monkeypatch, port=1) as wire,
        pytest.raises(DummyCredentials, match="dummies"),
    ):
        read_switch().client("s3").list_buckets()
    assert wire.calls == []
