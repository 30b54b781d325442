import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    ProxyConnectionError,
)

from cloud.switch import InvalidSetting, read_switch
from contract.clips import InvalidDeviceId
from tests.fakes.blackhole import BlackHole


def test_without_settings_it_is_the_emulator_on_loopback():
    switch = read_switch({})
    assert switch.endpoint_url == "http://127.0.0.1:4566"
    assert (switch.backend, switch.device_id, switch.names.prefix) == (None, "lab", "facelab")


def test_port_moves_the_endpoint():
    assert read_switch({"FACELAB_PORT": "4700"}).endpoint_url == "http://127.0.0.1:4700"


def test_any_other_endpoint_can_be_named():
    named = {"AWS_ENDPOINT_URL": "http://192.0.2.1:4566"}
    assert read_switch(named).endpoint_url == "http://192.0.2.1:4566"


def test_switches_of_the_same_settings_are_equal_and_are_shown_alike():
    one, other = (read_switch({"FACELAB_PORT": "4999"}) for _ in range(2))
    assert one == other
    assert repr(one) == repr(other)


def test_emulator_never_sees_real_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    credentials = read_switch({}).client("sqs")._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("test", "test")


def test_aws_has_no_endpoint_and_no_dummy_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    switch = read_switch({"FACELAB_BACKEND": "aws", "AWS_REGION": "eu-central-1"})
    client = switch.client("sqs")
    assert switch.endpoint_url is None
    assert client.meta.endpoint_url == "https://sqs.eu-central-1.amazonaws.com"
    assert client._request_signer._credentials.access_key == "AKIAREAL"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACELAB_BACKEND", "azure"),
        ("FACELAB_PORT", "0"),
        ("FACELAB_PORT", "http"),
        ("FACELAB_PREFIX", "Face Lab"),
        ("AWS_ENDPOINT_URL", "localhost:4566"),
        ("AWS_ENDPOINT_URL", "http://"),
    ],
)
def test_setting_that_cannot_be_used_is_named(name, value):
    with pytest.raises(InvalidSetting, match=name):
        read_switch({name: value})


@pytest.mark.parametrize(
    "text",
    [
        b"FACELAB_PORT=4700\r\nFACELAB_PREFIX=mine\r\n",
        b"\xef\xbb\xbfFACELAB_PORT=4700\r\nFACELAB_PREFIX=mine\r\n",
    ],
    ids=["line ends", "a mark before the first line"],
)
def test_a_file_of_settings_may_come_from_windows(tmp_path, monkeypatch, text):
    (tmp_path / ".env").write_bytes(text)
    monkeypatch.chdir(tmp_path)
    for name in ("FACELAB_PORT", "FACELAB_PREFIX", "FACELAB_BACKEND", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    switch = read_switch()
    assert (switch.port, switch.names.prefix) == (4700, "mine")


def test_a_file_of_settings_that_powershell_redirected_is_named(tmp_path, monkeypatch):
    (tmp_path / ".env").write_bytes("FACELAB_PORT=4700\r\n".encode("utf-16"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSetting, match="UTF-16"):
        read_switch()


def test_device_id_that_cannot_be_used_is_refused():
    with pytest.raises(InvalidDeviceId):
        read_switch({"FACELAB_DEVICE_ID": "Pi 1"})


def test_lab_is_never_asked_for_through_a_proxy(monkeypatch):
    with BlackHole() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        client = read_switch({"FACELAB_PORT": "9"}).client("sqs", retries={"max_attempts": 0})
        with pytest.raises(EndpointConnectionError, match=r"http://127\.0\.0\.1:9/"):
            client.list_queues()
        assert proxy.asked == []


def test_aws_is_asked_for_through_the_proxy(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    aws = {"FACELAB_BACKEND": "aws", "AWS_REGION": "eu-central-1"}
    with BlackHole() as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        client = read_switch(aws).client("sqs", retries={"max_attempts": 0})
        with pytest.raises((ProxyConnectionError, ConnectionClosedError)):
            client.list_queues()
        assert proxy.asked == ["CONNECT sqs.eu-central-1.amazonaws.com:443 HTTP/1.0"]


def test_another_account_is_an_access_key_of_twelve_digits():
    lab = read_switch({})
    assert lab.of_account("001229679960").emulator_keys.access_key == "001229679960"
    assert lab.emulator_keys.access_key != "001229679960"


@pytest.mark.parametrize(
    ("environment", "account", "why"),
    [
        ({"FACELAB_BACKEND": "aws"}, "001229679960", "AWS_PROFILE"),
        ({"FACELAB_KEYS": "keys.json"}, "001229679960", "FACELAB_KEYS"),
        ({}, "1229679960", "twelve digits"),
        ({}, "00122967996x", "twelve digits"),
    ],
)
def test_an_account_that_can_not_be_taken_is_refused(environment, account, why):
    with pytest.raises(InvalidSetting, match=why):
        read_switch(environment).of_account(account)
