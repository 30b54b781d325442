"""Files and folders that only their owner reads, whatever the umask says.

Clips, results and pictures show people; a shared computer has other users.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_private_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it; an existing one becomes private too.

    Raises
    ------
    OSError
        When it can't be made, or is somebody else's.
    """
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if path.stat().st_mode & 0o777 != FOLDER_MODE:
            path.chmod(FOLDER_MODE)


def open_private(path: Path, flags: int) -> int:
    """A file descriptor as from `os.open`, with its `flags`; the file, also one that was there, is
    private.

    Raises
    ------
    OSError
        When the file can't be opened, or its mode not be set.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) and stat.S_IMODE(mode) != FILE_MODE:  # not of /dev/null
            os.fchmod(descriptor, FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def private_opener(path: str, flags: int) -> int:
    """As `opener` of `open`, which says the `flags`."""
    return open_private(Path(path), flags)


def write_private(path: Path, data: bytes) -> None:
    """`Path.write_bytes`, for a file that is its owner's alone.

    Raises
    ------
    OSError
        When it can't be opened, or not be written whole.
    """
    file = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(file, data)
    finally:
        os.close(file)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`.

    Raises
    ------
    OSError
        When the disk took only a part of it, or nothing.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last through a power cut.

    Raises
    ------
    OSError
        When the folder can't be opened, or the disk does not confirm.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
