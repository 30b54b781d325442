"""Which clips have been answered: one id a line, as JSON, remembered over restarts.

`messages.py` writes it, to show each result once; `camera.py` reads it, to let go of clips
that it keeps until they are answered. The file stays small: only the newest ids count.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import RLock

from device.errors import DeviceError
from device.private_files import make_private_folder, open_private, sync_folder, write_all

FILE_NAME = "answered"
LOCK_NAME = f".{FILE_NAME}.lock"
KEEP = 20_000
LOCK_TRIES = 5
LOCK_PAUSE_S = 0.02


class AlreadyReading(DeviceError):
    """Another messages process shows this device's results."""


class AnsweredUnusable(DeviceError):
    """The file of answered clips can't be written."""


class Answered:
    """The writer's side. `folder` is the spool folder of all devices, `keep` how many ids the
    file keeps, the newest.

    An id is remembered at once; the file follows. Where the disk takes nothing, what is to be
    written waits in memory, and goes out with the next `add` or `save` that succeeds. `add` and
    `save` may be called from several threads: one poller for each queue shows results.
    """

    def __init__(self, folder: Path, device_id: str, keep: int = KEEP) -> None:
        self._device_id = device_id
        self.path = folder / device_id / FILE_NAME
        self._keep = keep
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._unwritten: list[str] = []
        self._lines = 0
        self._size = 0  # of the whole lines in the file
        self._writing = RLock()
        self._file = -1
        self._lock = -1

    def open(self) -> None:
        """Read what an earlier run left, and keep other processes from writing here.

        Raises
        ------
        AlreadyReading
            When another messages process has this device's file.
        AnsweredUnusable
            When the file, or its folder, can't be made, read or written.
        """
        try:
            make_private_folder(self.path.parent)
            # The lock is a file of its own: compaction replaces the list.
            self._lock = open_private(self.path.with_name(LOCK_NAME), os.O_RDWR | os.O_CREAT)
            _take(self._lock)
            reader = AnsweredReader(self.path)
            for one in reader.new_ids():
                self._remember(one)
                self._lines += 1
            self._file = open_private(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            os.ftruncate(self._file, reader.offset)  # a power cut may have torn the last line
            self._size = reader.offset
            sync_folder(self.path.parent)
        except BlockingIOError as error:
            raise AlreadyReading(
                f"another messages process already shows the results of {self._device_id}",
                "stop it first: two would each get only some of the results",
            ) from error
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Write what is left, as far as the disk takes it, and let the file go."""
        with suppress(AnsweredUnusable):  # it was told before
            self.save()
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def __contains__(self, one: str) -> bool:
        return one in self._ids

    def add(self, *ids: str) -> None:
        """Remember what was shown: the clip's id and, where it differs, the result's.

        Raises
        ------
        AnsweredUnusable
            When the disk takes nothing now. It is remembered all the same, in memory.
        """
        with self._writing:
            for one in dict.fromkeys(ids):
                self._remember(one)
                self._unwritten.append(one)
            self.save()

    def save(self) -> None:
        """Write what could not be written before.

        Raises
        ------
        AnsweredUnusable
            When it can't be written now either; it is kept for the next time.
        """
        with self._writing:
            if not self._unwritten:
                return
            try:
                self._write_out()
            except OSError as error:
                raise self._unusable(error) from error

    def _write_out(self) -> None:
        lines = b"".join(_line(one) for one in self._unwritten)
        if os.fstat(self._file).st_size != self._size:
            # An earlier write failed half way, and so did what follows here: no torn line may
            # stand before the next one, or neither would be read again.
            os.ftruncate(self._file, self._size)
        try:
            write_all(self._file, lines)
            # Before its message goes: after a power cut nothing else knows what was shown.
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(lines)
        self._lines += len(self._unwritten)
        self._unwritten.clear()
        if self._lines > 2 * self._keep:
            self._compact()

    def _unusable(self, error: OSError) -> AnsweredUnusable:
        return AnsweredUnusable(
            f"can't write {self.path}: {error.strerror}",
            "make room; or choose another folder with --spool or FACELAB_SPOOL",
        )

    def _remember(self, one: str) -> None:
        self._ids[one] = None
        self._ids.move_to_end(one)
        if len(self._ids) > self._keep:
            self._ids.popitem(last=False)

    def _compact(self) -> None:
        part = self.path.with_name(FILE_NAME + ".part")
        new = open_private(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        try:
            lines = b"".join(_line(one) for one in self._ids)
            write_all(new, lines)
            os.fsync(new)
            part.replace(self.path)
            sync_folder(self.path.parent)
        except OSError:
            os.close(new)
            part.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file, self._lines, self._size = new, len(self._ids), len(lines)


class AnsweredReader:
    """The camera's side: what was added since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self.offset = 0  # where the whole lines read so far end

    def new_ids(self) -> list[str]:
        """Ids that were added since the last call; after a compaction, all that were kept.

        Raises
        ------
        OSError
            When the disk can't be read.
        """
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self.offset:
                    self._inode, self.offset = found.st_ino, 0
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        lines = whole.split(b"\n")
        return [one for one in map(_id_of, lines) if one is not None]

    def viewer_is_running(self) -> bool:
        """Whether a messages process shows this device's results now, by the lock it holds."""
        try:
            lock = os.open(self._path.with_name(LOCK_NAME), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False


def _take(lock: int) -> None:
    """Lock for writing; a camera that looks whether somebody does holds it for an instant."""
    for _ in range(LOCK_TRIES):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _line(one: str) -> bytes:
    # JSON, in ASCII: whatever an id contains, it is one line.
    return json.dumps(one).encode("ascii") + b"\n"


def _id_of(line: bytes) -> str | None:
    """None for an empty or torn line. A line without quotes is from an earlier version."""
    if not line.startswith(b'"'):
        return line.decode("utf-8", "replace") or None
    try:
        return json.loads(line)
    except ValueError:
        return None
