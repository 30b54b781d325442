"""Opens the state's folder; damaged state gives way to the last whole copy, with a message."""

from __future__ import annotations

import fcntl
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import moto
from localstack.constants import VERSION

from localstack_image_functions.state.database import Database
from localstack_image_functions.state.errors import HostileState, StateInUse, TornState
from localstack_image_functions.state.keeper import Keeper, good_copy
from localstack_image_functions.state.objects import FileObjectStore

LOG = logging.getLogger(__name__)

DATABASE = "state.db"
OBJECTS = "objects"
LOCK = "in-use"
ENDING_S = 5.0
"""How long an emulator that was told to end may take to let its state go."""


@dataclass
class Opened:
    """A keeper whose state is loaded, and what had to be said about that."""

    keeper: Keeper
    lock: IO[bytes]
    """Held as long as the process lives, however that ends."""
    warnings: list[str] = field(default_factory=list)


def open_state(folder: Path, store: FileObjectStore) -> Opened:
    """Load the state in `folder`, made when it is not there.

    Raises
    ------
    StateOfOtherVersion
        When another version wrote it. Nothing is changed then.
    StateInUse
        When another emulator has it. Two would write over each other's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = _take(folder)
    path = folder / DATABASE
    warnings: list[str] = []
    for _ in range(2):
        try:
            return _opened(_load(path, store), lock, warnings)
        except (TornState, HostileState) as error:
            warnings.append(_set_aside(path, error))
            LOG.error(warnings[-1])
    # The copy was no better.
    return _opened(_load(path, store), lock, warnings)


def _opened(keeper: Keeper, lock: IO[bytes], warnings: list[str]) -> Opened:
    if keeper.lost_objects:
        warnings.append(
            f"{keeper.lost_objects} S3 objects are gone: their contents are missing or cut short"
        )
        LOG.error(warnings[-1])
    return Opened(keeper, lock, warnings)


def _take(folder: Path) -> IO[bytes]:
    lock = (folder / LOCK).open("ab")
    deadline = time.monotonic() + ENDING_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.close()
                raise StateInUse(
                    f"{folder} is the state of another emulator, which is running: "
                    "stop that one, or name another folder"
                ) from None
            time.sleep(0.1)  # between tries, with a deadline
        else:
            return lock


def objects_folder(folder: Path) -> Path:
    """Where S3's contents lie in the state's folder."""
    return folder / OBJECTS


def _load(path: Path, store: FileObjectStore) -> Keeper:
    database = Database(path, VERSION, {"moto": moto.__version__})
    try:
        if database.is_new and good_copy(path).exists():
            raise TornState(f"{path} is missing or empty")
        keeper = Keeper(database, store)
        keeper.load()
    except BaseException:
        database.close()
        raise
    return keeper


def _set_aside(path: Path, error: Exception) -> str:
    """Move the damaged database away, and the last whole copy into its place."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    copy = good_copy(path)
    if not copy.exists():
        return f"{error}. There is no whole copy: starting afresh. The damaged one is {aside.name}"
    age_s = time.time() - copy.stat().st_mtime
    copy.rename(path)
    return (
        f"{error}. Using the last whole copy, {age_s / 60:.0f} minutes old; what came after it is "
        f"missing. The damaged one is {aside.name}"
    )
