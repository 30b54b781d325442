"""The lab's own key pair."""

from __future__ import annotations

import os
import stat

import pytest

from cloud.lab_keys import NoLabKeys, ensure_keys, read_keys
from cloud.switch import read_switch


def test_pair_is_random_and_its_owner_s_alone(tmp_path):
    before = os.umask(0)
    try:
        one, other = ensure_keys(tmp_path / "a" / "keys"), ensure_keys(tmp_path / "b")
    finally:
        os.umask(before)
    assert one != other
    assert one.secret_key not in repr(one)
    assert stat.S_IMODE((tmp_path / "a" / "keys").stat().st_mode) == 0o600
    assert ensure_keys(tmp_path / "b") == other


def test_file_that_others_may_read_is_refused(tmp_path):
    ensure_keys(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o640)
    with pytest.raises(NoLabKeys, match="chmod 600"):
        read_keys(tmp_path / "keys")


def test_a_folder_in_its_place_is_told_as_such(tmp_path):
    with pytest.raises(NoLabKeys, match="Is a directory"):
        read_keys(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"access_key": 1}', b"\x00", b"\x80\xff"])
def test_file_without_a_pair_says_what_to_do(tmp_path, data):
    (tmp_path / "keys").write_bytes(data)
    (tmp_path / "keys").chmod(0o600)
    with pytest.raises(NoLabKeys, match="delete it"):
        read_keys(tmp_path / "keys")


def test_clients_of_the_lab_sign_with_it(tmp_path):
    keys = ensure_keys(tmp_path / "keys")
    switch = read_switch({"FACELAB_KEYS": str(tmp_path / "keys")})
    assert switch.client("sqs")._request_signer._credentials.access_key == keys.access_key
    with pytest.raises(NoLabKeys, match="make up"):
        read_switch({"FACELAB_KEYS": str(tmp_path / "gone")}).client("sqs")
