"""The spool: clips on the device's disk that the cloud has not confirmed yet.

A clip is `<clip_id>.h264` with a side file `<clip_id>.json`. Both are written as `*.part`,
flushed to the disk and renamed, the clip last: a clip without `.part` in its name is whole,
whatever happened to the power. Clips that S3 has, but whose result is still awaited, lie in
`sent/`; clips that S3 will not take in `refused/`, until the next start tries them again;
clips that the disk has damaged in `damaged/`, until a start finds that they can be read again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from contract.clips import SUFFIX, ClipKey, ClipMetadata, ContractError
from device.clip_record import ClipRecord, digest_of
from device.errors import DeviceError
from device.private_files import make_private_folder, open_private, sync_folder, write_all

SIDE_SUFFIX = ".json"
PART_SUFFIX = ".part"
RETRY_NAME = ".retry"
# Left free on the disk whatever the budget says: a full root file system breaks a Pi.
RESERVE_BYTES = 32 * 1024 * 1024


class SpoolError(DeviceError):
    """Base of what can be wrong with a spool."""


class SpoolUnusable(SpoolError):
    """The folder can't be made or written."""


class SpoolBusy(SpoolError):
    """Another camera process uses this device's spool."""


class SpoolFull(SpoolError):
    """There is no room for a clip, and nothing older that could be dropped."""


class ClipDamaged(SpoolError):
    """A spooled clip is not what was written (its checksum differs) or can't be read."""


class Spool:
    """One device's spool folder. Safe to use from several threads, by one process at a time.

    `budget_bytes` bounds all that lies in it, set aside or not.
    """

    def __init__(
        self,
        folder: Path,
        device_id: str,
        budget_bytes: int,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._device_id = device_id
        self._folder = folder / device_id
        self._sent = self._folder / "sent"
        self._refused = self._folder / "refused"
        self._damaged = self._folder / "damaged"
        self._budget = budget_bytes
        self._free_bytes = free_bytes
        self._sizes: dict[str, int] = {}
        self._aside: dict[Path, int] = {}  # the clips in refused/ and damaged/, oldest first
        self._lock = Lock()
        self._lock_file: int | None = None

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def used_bytes(self) -> int:
        """Of all clips, those set aside included."""
        with self._lock:
            return sum(self._sizes.values()) + sum(self._aside.values())

    def open(self) -> tuple[list[ClipRecord], list[ClipRecord]]:
        """Take the folder; return the clips that wait for S3 and those that wait for a result.

        What S3 refused in an earlier run waits again, and what the disk could not read then
        and can now. What a crash left half-written goes away. Oldest first.

        Raises
        ------
        SpoolUnusable
            When the folder can't be made, read or written.
        SpoolBusy
            When another camera process has it.
        """
        try:
            for folder in (self._folder, self._sent, self._refused, self._damaged):
                make_private_folder(folder)
            self._lock_file = open_private(self._folder / ".lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpoolBusy(
                f"another camera already records as {self._device_id}",
                "stop it, or give this one its own --device or --spool",
            ) from error
        except OSError as error:
            raise SpoolUnusable(
                f"can't use the spool folder {self._folder}: {error.strerror}",
                "choose another with --spool or FACELAB_SPOOL",
            ) from error
        with _explained("read"):
            self._aside.clear()
            for clip in sorted(self._damaged.glob("*" + SUFFIX)):
                if self._is_whole(clip):
                    _move_clip(clip, self._folder)
                else:
                    self._aside[clip] = clip.stat().st_size
            self._move_all(self._refused, self._folder)
            return self._load(self._folder), self._load(self._sent)

    def close(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def write(self, record: ClipRecord, data: bytes) -> None:
        """Store a clip so that a power cut can't take it any more.

        Raises
        ------
        SpoolFull
            When it does not fit into the budget or onto the disk.
        SpoolUnusable
            When the disk takes nothing.
        """
        clip = self._clip(self._folder, record.clip_id)
        side = clip.with_suffix(SIDE_SUFFIX)
        try:
            if not self._fits(record.size_bytes):
                raise SpoolFull(f"no room for a clip of {record.size_bytes} bytes")
            _write_whole(side, record.to_json().encode())
            _write_whole(clip, data)
            sync_folder(self._folder)
        except OSError as error:
            with suppress(OSError):
                for path in (clip, side):
                    path.unlink(missing_ok=True)
                    path.with_name(path.name + PART_SUFFIX).unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise SpoolFull(f"the disk of {self._folder} is full") from error
            raise SpoolUnusable(f"can't write {clip.name}: {error.strerror}") from error
        with self._lock:
            self._sizes[record.clip_id] = record.size_bytes

    def drop_oldest_aside(self) -> str | None:
        """Make room by deleting a clip that was set aside; its id, or None if there is none.

        Raises
        ------
        SpoolUnusable
            When it can't be deleted.
        """
        with self._lock:
            clip = next(iter(self._aside), None)
        if clip is None:
            return None
        with _explained("remove"):
            _unlink(clip)
        with self._lock:
            self._aside.pop(clip, None)
        return clip.name.removesuffix(SUFFIX)

    def read(self, record: ClipRecord) -> bytes:
        """A clip's bytes, checked.

        Raises
        ------
        ClipDamaged
            When its bytes are gone, can't be read, or are not what was written.
        """
        for folder in (self._folder, self._sent):
            try:
                data = self._clip(folder, record.clip_id).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ClipDamaged(f"can't read clip {record.clip_id}: {error.strerror}") from error
            if record.sha256 and digest_of(data) != record.sha256:
                raise ClipDamaged(f"clip {record.clip_id} is damaged on disk")
            return data
        raise ClipDamaged(f"clip {record.clip_id} is gone from the spool")

    def park(self, record: ClipRecord) -> None:
        """S3 has the clip: keep it in `sent/` until its result came.

        Raises
        ------
        SpoolUnusable
            When it can't be moved.
        """
        self._move(record.clip_id, self._folder, self._sent)

    def recall(self, record: ClipRecord) -> None:
        """Back from `sent/`: its result did not come, it is to be sent again.

        Raises
        ------
        SpoolUnusable
            When it can't be moved.
        """
        self._move(record.clip_id, self._sent, self._folder)

    def set_aside(self, record: ClipRecord, *, damaged: bool = False) -> None:
        """Out of the way: refused by S3, or damaged by the disk.

        Raises
        ------
        SpoolUnusable
            When it can't be moved.
        """
        target = self._damaged if damaged else self._refused
        self._move(record.clip_id, self._folder, target)
        with self._lock:
            size = self._sizes.pop(record.clip_id, record.size_bytes)
            self._aside[self._clip(target, record.clip_id)] = size

    def retry_asked(self) -> bool:
        """Whether somebody asked, while this process runs, to try refused clips again."""
        return (self._folder / RETRY_NAME).exists()

    def take_refused(self) -> list[ClipRecord]:
        """The refused clips, back where they wait for S3. Answers what `retry_asked` says.

        Raises
        ------
        SpoolUnusable
            When they can't be read or moved.
        """
        with _explained("read"):
            (self._folder / RETRY_NAME).unlink(missing_ok=True)
            taken = sorted(self._refused.glob("*" + SUFFIX))
            self._move_all(self._refused, self._folder)
            with self._lock:
                for clip in taken:
                    self._aside.pop(clip, None)
            clips = (self._clip(self._folder, clip.name.removesuffix(SUFFIX)) for clip in taken)
            return [record for clip in clips if (record := self._take(clip)) is not None]

    def remove(self, clip_ids: Iterable[str]) -> None:
        """Forget clips, wherever they lie.

        Raises
        ------
        SpoolUnusable
            When one can't be deleted.
        """
        for clip_id in clip_ids:
            with self._lock:
                self._sizes.pop(clip_id, None)
            with _explained("remove"):
                for folder in (self._folder, self._sent):
                    _unlink(self._clip(folder, clip_id))

    def _fits(self, size: int) -> bool:
        free = self._free_bytes(self._folder)
        return size <= min(self._budget - self.used_bytes, free - RESERVE_BYTES)

    def _load(self, folder: Path) -> list[ClipRecord]:
        for part in folder.glob("*" + PART_SUFFIX):
            part.unlink()
        clips = sorted(folder.glob("*" + SUFFIX))
        records = [record for clip in clips if (record := self._take(clip)) is not None]
        for side in folder.glob("*" + SIDE_SUFFIX):
            if not side.with_suffix(SUFFIX).exists():
                side.unlink()
        return records

    def _take(self, clip: Path) -> ClipRecord | None:
        """Count a clip that lies in the spool; None for one that the disk has damaged."""
        size = clip.stat().st_size
        try:
            record = self._record(clip)
            if record.size_bytes != size:
                raise ClipDamaged(f"clip {record.clip_id} is not whole")
        except (OSError, ClipDamaged):
            _move_clip(clip, self._damaged)
            self._aside[self._damaged / clip.name] = size
            return None
        with self._lock:
            self._sizes[record.clip_id] = size
        return record

    def _is_whole(self, clip: Path) -> bool:
        """Whether a clip is what was written. An error of reading says nothing for ever."""
        side = clip.with_suffix(SIDE_SUFFIX)
        try:
            data = clip.read_bytes()
            if not side.exists():
                return bool(data)  # nothing says what it should be: it is taken as it is
            return ClipRecord.from_json(side.read_text("utf-8")).sha256 == digest_of(data)
        except (OSError, ValueError, ContractError):
            return False

    def _record(self, clip: Path) -> ClipRecord:
        """The side file's content; without a usable one, what the file's name tells."""
        clip_id = clip.name.removesuffix(SUFFIX)
        with suppress(OSError, ValueError, ContractError):
            record = ClipRecord.from_json(clip.with_suffix(SIDE_SUFFIX).read_text("utf-8"))
            if (record.key.device_id, record.clip_id) == (self._device_id, clip_id):
                return record
        date = f"{clip_id[:4]}-{clip_id[4:6]}-{clip_id[6:8]}" if clip_id[:8].isdecimal() else ""
        return ClipRecord.of(
            ClipKey(self._device_id, date, clip_id), ClipMetadata(0, 0, 0), clip.read_bytes()
        )

    def _clip(self, folder: Path, clip_id: str) -> Path:
        return folder / (clip_id + SUFFIX)

    def _move(self, clip_id: str, source: Path, target: Path) -> None:
        with _explained("move"):
            _move_clip(self._clip(source, clip_id), target)

    def _move_all(self, source: Path, target: Path) -> None:
        for clip in sorted(source.glob("*" + SUFFIX)):
            _move_clip(clip, target)


@contextmanager
def _explained(verb: str) -> Iterator[None]:
    """Turn what the disk says into a line for a person."""
    try:
        yield
    except OSError as error:
        raise SpoolUnusable(f"can't {verb} clips in the spool: {error.strerror}") from error


def _move_clip(clip: Path, target: Path) -> None:
    side = clip.with_suffix(SIDE_SUFFIX)
    if side.exists():
        side.replace(target / side.name)
    if clip.exists():
        clip.replace(target / clip.name)


def _unlink(clip: Path) -> None:
    # The clip first: a side file alone is nothing, a clip alone would be sent.
    clip.unlink(missing_ok=True)
    clip.with_suffix(SIDE_SUFFIX).unlink(missing_ok=True)


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + PART_SUFFIX)
    file = open_private(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    part.rename(path)
