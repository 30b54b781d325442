"""The simulated disk keeps what POSIX promises, and nothing more."""

from __future__ import annotations

import errno
import random

import pytest

from tests.simulation.disk import Disk


def disk(seed: int = 0) -> Disk:
    made = Disk(random.Random(seed))  # noqa: S311
    made.mkdir("/a")
    return made


def after_cuts(prepare, path: str) -> set[bytes | None]:
    """What 200 power cuts leave of a file; None where it is gone."""
    left: set[bytes | None] = set()
    for seed in range(200):
        made = disk(seed)
        prepare(made)
        made.cut_power()
        left.add(bytes(made.files[path].data) if path in made.files else None)
    return left


def write(made: Disk, path: str, data: bytes) -> None:
    made.write(path, made.files.get(path) or made.create(path), 0, data)


def test_what_was_never_flushed_may_be_gone_half_or_whole():
    left = after_cuts(lambda made: write(made, "/a/x", b"whole"), "/a/x")
    assert {None, b"", b"whole"} <= left
    assert any(data and len(data) < 5 for data in left)


def test_a_file_and_its_folder_flushed_stay():
    def prepare(made: Disk) -> None:
        write(made, "/a/x", b"whole")
        made.fsync("/a/x", made.files["/a/x"])
        made.fsync_folder("/a")

    assert after_cuts(prepare, "/a/x") == {b"whole"}


def test_what_was_flushed_stays_when_more_is_appended():
    def prepare(made: Disk) -> None:
        write(made, "/a/x", b"whole")
        made.fsync("/a/x", made.files["/a/x"])
        made.fsync_folder("/a")
        made.write("/a/x", made.files["/a/x"], 5, b" more")

    left = after_cuts(prepare, "/a/x")
    assert {b"whole", b"whole more", b"whole\0\0\0\0\0"} <= left
    assert all(data is not None and data.startswith(b"whole") for data in left)


def test_a_rename_before_the_flush_of_its_folder_is_done_or_not():
    def prepare(made: Disk) -> None:
        write(made, "/a/x", b"old")
        made.fsync("/a/x", made.files["/a/x"])
        write(made, "/a/x.part", b"new")
        made.fsync("/a/x.part", made.files["/a/x.part"])
        made.fsync_folder("/a")
        made.rename("/a/x.part", "/a/x")

    assert after_cuts(prepare, "/a/x") == {b"old", b"new"}


def test_a_full_disk_takes_a_part():
    made = disk()
    made.trouble = lambda call, path: errno.ENOSPC if call == "write" else 0
    inode = made.create("/a/x")
    taken = []
    for _ in range(50):
        try:
            taken.append(made.write("/a/x", inode, 0, b"0123456789"))
        except OSError as error:
            taken.append(0 if error.errno == errno.ENOSPC else -1)
    assert 0 in taken
    assert -1 not in taken
    assert any(0 < count < 10 for count in taken)


def test_missing_names_are_told_as_the_system_tells_them():
    made = disk()
    with pytest.raises(FileNotFoundError):
        made.unlink("/a/none")
    with pytest.raises(FileNotFoundError):
        made.create("/none/x")
    with pytest.raises(FileExistsError):
        made.mkdir("/a")
