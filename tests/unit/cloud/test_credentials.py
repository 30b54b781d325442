"""Who we are to AWS, read from `.env` or the process; and to the emulator nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from botocore.exceptions import ProfileNotFound

from cloud.credentials import AwsIdentity
from cloud.switch import read_switch

CREDENTIALS = """
[lab]
aws_access_key_id = AKIAFROMLABPROFILE00
aws_secret_access_key = lab-secret
[default]
aws_access_key_id = AKIAFROMDEFAULT00000
aws_secret_access_key = default-secret
"""
CONFIG = """
[profile lab]
region = eu-west-3
endpoint_url = http://127.0.0.1:1
services = elsewhere
[services elsewhere]
s3 =
  endpoint_url = http://127.0.0.1:2
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, and shared AWS files that no setting of this machine leads to."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FACELAB_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(CREDENTIALS)
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def key_of(client) -> str:
    return client._request_signer._credentials.access_key


def test_profile_and_region_that_stand_only_in_dotenv_take_effect(home):
    (home / ".env").write_text("FACELAB_BACKEND=aws\nAWS_PROFILE=lab\nAWS_REGION=eu-central-1\n")
    client = read_switch().client("sqs")
    assert key_of(client) == "AKIAFROMLABPROFILE00"
    assert client.meta.endpoint_url == "https://sqs.eu-central-1.amazonaws.com"
    assert "AWS_PROFILE" not in os.environ


def test_the_older_name_of_the_profile_counts_where_the_newer_is_not_set():
    older = {"AWS_DEFAULT_PROFILE": "old"}
    assert AwsIdentity.read({}, older).profile == "old"
    assert AwsIdentity.read({}, {**older, "AWS_PROFILE": "new"}).profile == "new"
    assert AwsIdentity.read({}, {}).profile is None


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("AWS_CONFIG_FILE", "config_file"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials_file"),
        ("AWS_CA_BUNDLE", "ca_bundle"), ("AWS_SESSION_TOKEN", "session_token"),
        ("AWS_ACCESS_KEY_ID", "access_key"), ("AWS_SECRET_ACCESS_KEY", "secret_key"),
    ],
)  # fmt: skip
def test_each_variable_is_read_and_an_empty_one_is_none(variable, field):
    assert getattr(AwsIdentity.read({}, {variable: "x"}), field) == "x"
    assert getattr(AwsIdentity.read({variable: "x", "AWS_PROFILE": "p"}, {}), field) == "x"
    assert getattr(AwsIdentity.read({variable: ""}, {variable: ""}), field) is None


def test_half_a_key_pair_is_none(home):
    (home / ".env").write_text("FACELAB_BACKEND=aws\nAWS_PROFILE=lab\nAWS_ACCESS_KEY_ID=half\n")
    assert key_of(read_switch().client("sqs")) == "AKIAFROMLABPROFILE00"


def test_region_may_come_from_the_profile(home):
    (home / ".env").write_text("FACELAB_BACKEND=aws\nAWS_PROFILE=lab\n")
    assert read_switch().client("sqs").meta.region_name == "eu-west-3"


def test_keys_that_stand_only_in_dotenv_take_effect(home):
    (home / ".env").write_text(
        "FACELAB_BACKEND=aws\nAWS_REGION=eu-central-1\n"
        "AWS_ACCESS_KEY_ID=AKIAFROMDOTENV000000\nAWS_SECRET_ACCESS_KEY=s\nAWS_SESSION_TOKEN=t\n"
    )
    client = read_switch().client("sqs")
    assert key_of(client) == "AKIAFROMDOTENV000000"
    assert client._request_signer._credentials.token == "t"


def test_shared_files_named_only_in_dotenv_are_read(home, monkeypatch):
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    monkeypatch.delenv("AWS_CONFIG_FILE")
    (home / ".env").write_text(
        "FACELAB_BACKEND=aws\nAWS_PROFILE=lab\n"
        f"AWS_SHARED_CREDENTIALS_FILE={home / 'credentials'}\nAWS_CONFIG_FILE={home / 'config'}\n"
    )
    client = read_switch().client("sqs")
    assert (key_of(client), client.meta.region_name) == ("AKIAFROMLABPROFILE00", "eu-west-3")


def test_identity_of_the_process_is_not_mixed_with_that_of_dotenv(home, monkeypatch):
    (home / ".env").write_text(
        "FACELAB_BACKEND=aws\nAWS_REGION=eu-central-1\nAWS_PROFILE=lab\nAWS_SESSION_TOKEN=stale\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMPROCESS00000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    client = read_switch().client("sqs")
    assert key_of(client) == "AKIAFROMPROCESS00000"
    assert client._request_signer._credentials.token is None


def test_keys_beside_a_profile_win_as_in_the_usual_chain(home, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMPROCESS00000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    monkeypatch.setenv("FACELAB_BACKEND", "aws")
    client = read_switch().client("sqs")
    assert key_of(client) == "AKIAFROMPROCESS00000"
    assert client.meta.region_name == "eu-west-3"


def test_endpoints_of_profile_and_environment_are_no_second_switch(home, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:3")
    (home / ".env").write_text("FACELAB_BACKEND=aws\nAWS_PROFILE=lab\n")
    switch = read_switch()
    for service in ("s3", "sqs", "sts", "dynamodb", "cloudformation", "ecr", "logs", "lambda"):
        assert switch.client(service).meta.endpoint_url.endswith(".amazonaws.com"), service


def test_emulator_does_not_care_for_a_profile_that_is_not_there(home, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "not-on-this-machine")
    client = read_switch().client("s3")
    assert key_of(client) == "test"
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    monkeypatch.setenv("FACELAB_BACKEND", "aws")
    with pytest.raises(ProfileNotFound):
        read_switch().client("s3")


def test_renewed_credentials_count_without_a_restart(home):
    (home / ".env").write_text("FACELAB_BACKEND=aws\nAWS_PROFILE=lab\n")
    switch = read_switch()
    assert key_of(switch.client("sqs")) == "AKIAFROMLABPROFILE00"
    (home / "credentials").write_text(CREDENTIALS.replace("LABPROFILE00", "RENEWED00000"))
    switch.renew()
    assert key_of(switch.client("sqs")) == "AKIAFROMRENEWED00000"


def test_secrets_do_not_show_in_a_representation():
    identity = AwsIdentity(access_key="AKIA", secret_key="hush", session_token="hush")
    assert "hush" not in repr(identity)
