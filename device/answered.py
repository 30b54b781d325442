"""Which clips have been answered: one id a line, remembered over restarts.

`messages.py` writes it, to show each result once; `camera.py` reads it, to let go of clips
that it keeps until they are answered. The file stays small: only the newest ids count.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict
from pathlib import Path

from device.errors import DeviceError

FILE_NAME = "answered"
KEEP = 20_000


class AlreadyReading(DeviceError):
    """Another messages process shows this device's results."""


class AnsweredUnusable(DeviceError):
    """The file of answered clips can't be written."""


class Answered:
    """The writer's side. `folder` is the spool folder of all devices."""

    def __init__(self, folder: Path, device_id: str, keep: int = KEEP) -> None:
        self._device_id = device_id
        self._path = folder / device_id / FILE_NAME
        self._keep = keep
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lines = 0

    def open(self) -> None:
        """Read what an earlier run left, and keep other processes from writing here.

        Raises
        ------
        AlreadyReading, AnsweredUnusable
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # The lock is a file of its own: compaction replaces the list.
            self._lock = os.open(
                self._path.with_name(f".{FILE_NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for clip_id in AnsweredReader(self._path).new_ids():
                self._remember(clip_id)
            self._compact()
        except BlockingIOError as error:
            raise AlreadyReading(
                f"another messages process already shows the results of {self._device_id}",
                "stop it first: two would each get only some of the results",
            ) from error
        except OSError as error:
            raise AnsweredUnusable(
                f"can't write {self._path}: {error.strerror}",
                "choose another folder with --spool or FACELAB_SPOOL",
            ) from error

    def close(self) -> None:
        self._file.close()
        os.close(self._lock)

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._ids

    def add(self, *ids: str) -> None:
        """Remember what was shown: the clip's id and, where it differs, the result's."""
        lines = []
        for one in dict.fromkeys(ids):
            self._remember(one)
            lines.append(one.replace("\n", " ") + "\n")
        self._file.write("".join(lines))
        self._file.flush()
        self._lines += len(lines)
        if self._lines > 2 * self._keep:
            self._file.close()
            self._compact()

    def _remember(self, clip_id: str) -> None:
        self._ids[clip_id] = None
        if len(self._ids) > self._keep:
            self._ids.popitem(last=False)

    def _compact(self) -> None:
        part = self._path.with_name(FILE_NAME + ".part")
        part.write_text("".join(f"{clip_id}\n" for clip_id in self._ids), "utf-8")
        part.replace(self._path)
        self._lines = len(self._ids)
        self._file = self._path.open("a", encoding="utf-8")


class AnsweredReader:
    """The camera's side: what was added since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0

    def new_ids(self) -> list[str]:
        """Ids that were added since the last call; after a compaction, all that were kept."""
        try:
            with self._path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self._inode:
                    self._inode, self._offset = inode, 0
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode("utf-8", "replace").splitlines()
