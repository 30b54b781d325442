"""Files that only their owner reads, and the word to the service manager."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from device.notify import notify
from device.private_files import (
    make_private_folder,
    open_private,
    private_opener,
    sync_folder,
    write_all,
    write_private,
)


@pytest.fixture(autouse=True)
def _open_umask():
    previous = os.umask(0)
    yield
    os.umask(previous)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_and_what_is_missing_above_it_are_private_and_what_was_there_stays(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    make_private_folder(shared / "a" / "b")
    assert [mode(one) for one in (shared, shared / "a", shared / "a" / "b")] == [
        0o755, 0o700, 0o700,
    ]  # fmt: skip
    (shared / "old").mkdir(mode=0o755)
    make_private_folder(shared / "old")
    assert mode(shared / "old") == 0o700


def test_a_folder_that_is_private_already_is_left_alone(tmp_path, monkeypatch):
    make_private_folder(tmp_path / "a")

    def refuse(*_: object) -> None:
        raise PermissionError("somebody else's")

    monkeypatch.setattr(Path, "chmod", refuse)
    make_private_folder(tmp_path / "a")


def test_a_file_is_private_whatever_it_was(tmp_path):
    old = tmp_path / "old"
    old.write_bytes(b"before")
    old.chmod(0o644)
    for path in (old, tmp_path / "new"):
        os.close(open_private(path, os.O_WRONLY | os.O_CREAT))
        assert mode(path) == 0o600
    assert old.read_bytes() == b"before"


def test_a_descriptor_is_not_left_to_child_processes(tmp_path):
    descriptor = open_private(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_a_device_is_nobody_s_to_change(monkeypatch):
    def refuse(*_: object) -> None:
        pytest.fail("/dev/null stays as it is")

    monkeypatch.setattr(os, "fchmod", refuse)
    os.close(open_private(Path(os.devnull), os.O_WRONLY))


def test_a_file_that_can_not_be_made_private_is_not_left_open(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    path = tmp_path / "a"
    path.touch(mode=0o644)
    monkeypatch.setattr(os, "fchmod", refuse)
    before = open_files()
    with pytest.raises(PermissionError):
        open_private(path, os.O_WRONLY)
    assert open_files() == before


def test_what_was_in_a_file_goes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"something long")
    write_private(path, b"short")
    assert path.read_bytes() == b"short"
    write_private(tmp_path / "new", b"x")
    assert mode(tmp_path / "new") == 0o600
    with open(path, "ab", opener=private_opener) as file:
        file.write(b"er")
    assert path.read_bytes() == b"shorter"


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path, monkeypatch):
    write = os.write
    sizes: list[int] = []

    def some(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(descriptor, bytes(data)[:4])

    monkeypatch.setattr(os, "write", some)
    descriptor = open_private(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    write_all(descriptor, b"0123456789")
    os.close(descriptor)
    assert sizes == [10, 6, 2]
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_write_that_fails_leaves_nothing_open(tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    before = open_files()
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "a", b"data")
    assert open_files() == before


def test_a_folder_s_names_are_flushed_and_nothing_is_left_open(tmp_path, monkeypatch):
    flushed: list[bool] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(os.path.samestat(os.fstat(descriptor), tmp_path.stat()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    before = open_files()
    sync_folder(tmp_path)
    assert flushed == [True]
    assert open_files() == before
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_service_manager_is_told_where_it_listens(tmp_path, monkeypatch, is_abstract):
    address = f"\0facelab-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        notify("STATUS=Gödel")
        assert manager.recv(100) == "STATUS=Gödel".encode()


def test_without_a_manager_or_with_a_dead_one_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
