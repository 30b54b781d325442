"""Each setting up to its edge, and what clients of each cloud are made with."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from botocore.exceptions import NoRegionError

from cloud.credentials import DummyCredentials, refuse_dummies
from cloud.lab_keys import LabKeys, NoLabKeys, ensure_keys, read_keys
from cloud.switch import InvalidSetting, read_switch


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """Neither this person's profile nor their keys."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize("port", ["1", "65535"])
def test_every_port_that_there_is_may_be_chosen(port):
    assert read_switch({"FACELAB_PORT": port}).port == int(port)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "4566.0", "x"])
def test_no_other_is_one(port):
    with pytest.raises(InvalidSetting, match="FACELAB_PORT"):
        read_switch({"FACELAB_PORT": port})


def test_a_prefix_has_one_to_twenty_characters():
    for prefix in ("a", "a" * 20):
        assert read_switch({"FACELAB_PREFIX": prefix}).names.prefix == prefix
    for prefix in ("a" * 21, "-a", "a-", "A"):
        with pytest.raises(InvalidSetting, match="FACELAB_PREFIX"):
            read_switch({"FACELAB_PREFIX": prefix})


def test_a_command_that_means_a_backend_wins_over_the_setting():
    assert read_switch({"FACELAB_BACKEND": "docker"}, backend="aws").is_aws
    assert read_switch({"FACELAB_BACKEND": "docker"}).backend == "docker"
    assert not read_switch({"FACELAB_BACKEND": "docker"}).is_aws
    assert read_switch({"FACELAB_BACKEND": ""}).backend is None


def test_the_regions_variables_in_their_order():
    both = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert read_switch(both).region == "eu-central-1"
    assert read_switch({"AWS_DEFAULT_REGION": "eu-west-1"}).region == "eu-west-1"
    assert read_switch({"FACELAB_BACKEND": "aws"}).region is None


def test_on_aws_nobody_guesses_a_region(nobody):
    with pytest.raises(NoRegionError):
        _ = read_switch({"FACELAB_BACKEND": "aws"}).region_name
    assert read_switch({}).region_name == "us-east-1"


def test_where_the_lab_s_keys_lie_does_not_depend_on_where_a_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    switch = read_switch({"FACELAB_KEYS": "keys"})
    assert switch.keys == tmp_path / "keys"
    assert read_switch({"FACELAB_KEYS": ""}).keys is None


@pytest.mark.parametrize(
    ("settings", "is_guarded"),
    [
        ({"FACELAB_BACKEND": "aws"}, True),
        ({"FACELAB_BACKEND": "aws", "AWS_ENDPOINT_URL": "http://127.0.0.1:4599"}, False),
        ({"FACELAB_BACKEND": "embedded"}, False),
    ],
)
def test_only_clients_of_aws_itself_refuse_the_emulators_dummies(settings, is_guarded, nobody):
    client = read_switch({**settings, "AWS_REGION": "us-east-1"}).client("sts")
    dummy = SimpleNamespace(headers={"Authorization": "Credential=test/x"})

    def send() -> None:
        client.meta.events.emit("before-send.sts.GetCallerIdentity", request=dummy)

    if is_guarded:
        with pytest.raises(DummyCredentials):
            send()
    else:
        send()


def test_clients_of_the_emulator_name_buckets_in_the_path_and_aws_ones_as_usual(nobody):
    emulator = read_switch({}).client("s3", connect_timeout=7)
    assert emulator.meta.config.s3 == {"addressing_style": "path"}
    assert emulator.meta.config.connect_timeout == 7
    aws = read_switch({"FACELAB_BACKEND": "aws", "AWS_REGION": "us-east-1"}).client("s3")
    assert aws.meta.config.s3 is None or "addressing_style" not in aws.meta.config.s3


def test_several_threads_may_ask_for_a_client_at_once(nobody):
    switch = read_switch({})
    made: list = []
    threads = [threading.Thread(target=lambda: made.append(switch.client("sqs"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 4


@pytest.mark.parametrize("header", ["Credential=test/x", b"Credential=test/x"])
def test_a_request_signed_by_the_dummies_goes_nowhere(header):
    with pytest.raises(DummyCredentials, match="AWS_PROFILE"):
        refuse_dummies(SimpleNamespace(headers={"Authorization": header}))


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Credential=testing/x"}])
def test_any_other_request_does(headers):
    assert refuse_dummies(SimpleNamespace(headers=headers)) is None


@pytest.mark.parametrize(
    ("mode", "is_own"), [(0o600, True), (0o400, True), (0o640, False), (0o601, False)]
)
def test_keys_that_anybody_else_may_touch_are_refused(tmp_path, mode, is_own):
    path = tmp_path / "new" / "folder" / "keys"
    keys = ensure_keys(path)
    assert ensure_keys(path) == keys
    path.chmod(mode)
    if is_own:
        assert read_keys(path) == keys
    else:
        with pytest.raises(NoLabKeys, match="others may read"):
            read_keys(path)


def test_random_keys_are_as_long_as_aws_ones(tmp_path):
    keys = ensure_keys(tmp_path / "keys")
    assert isinstance(keys, LabKeys)
    assert len(keys.access_key) == len("FACELAB") + 12
    assert len(keys.secret_key) == 40
