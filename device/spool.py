"""The spool: clips on the device's disk that the cloud has not confirmed yet.

A clip is `<clip_id>.h264` with a side file `<clip_id>.json`. Both are written as `*.part`,
flushed to the disk and renamed, the clip last: a clip without `.part` in its name is whole,
whatever happened to the power. Clips that S3 has, but whose result is still awaited, lie in
`sent/`; clips that S3 will not take, or that the disk has damaged, lie in `refused/`.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from contract.clips import SUFFIX, ClipKey, ClipMetadata, ContractError
from device.clock import STEP_MS, Clock
from device.errors import DeviceError

SIDE_SUFFIX = ".json"
PART_SUFFIX = ".part"
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


@dataclass(frozen=True)
class ClipRecord:
    """What the device knows of a recorded clip, beside its bytes.

    `boot_id` and `captured_ns` (the end of capture on that boot's monotonic clock) let
    capture times be put right when the wall clock was wrong while recording.
    """

    key: ClipKey
    metadata: ClipMetadata
    size_bytes: int
    sha256: str
    boot_id: str = ""
    captured_ns: int = 0

    @classmethod
    def of(
        cls,
        key: ClipKey,
        metadata: ClipMetadata,
        data: bytes,
        boot_id: str = "",
        captured_ns: int = 0,
    ) -> ClipRecord:
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")
        return cls(key, metadata, len(data), digest, boot_id, captured_ns)

    @property
    def clip_id(self) -> str:
        return self.key.clip_id

    def metadata_now(self, clock: Clock) -> ClipMetadata:
        """The metadata, with capture times moved if the wall clock was set since capture."""
        if not self.boot_id or self.boot_id != clock.boot_id():
            return self.metadata
        (end_ms,) = clock.unix_ms(self.captured_ns)
        step_ms = end_ms - self.metadata.capture_end_ms
        if abs(step_ms) < STEP_MS:
            return self.metadata
        return ClipMetadata(
            self.metadata.capture_start_ms + step_ms, end_ms, self.metadata.sequence
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ClipRecord:
        fields = json.loads(text)
        key, metadata = ClipKey(**fields.pop("key")), ClipMetadata(**fields.pop("metadata"))
        return cls(key=key, metadata=metadata, **fields)


class Spool:
    """One device's spool folder. Safe to use from several threads, by one process at a time."""

    def __init__(self, folder: Path, device_id: str, budget_bytes: int) -> None:
        self._device_id = device_id
        self._folder = folder / device_id
        self._sent = self._folder / "sent"
        self._refused = self._folder / "refused"
        self._budget = budget_bytes
        self._sizes: dict[str, int] = {}
        self._lock = Lock()
        self._lock_file: int | None = None

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def used_bytes(self) -> int:
        with self._lock:
            return sum(self._sizes.values())

    def open(self) -> tuple[list[ClipRecord], list[ClipRecord]]:
        """Take the folder; return the clips that wait for S3 and those that wait for a result.

        What a crash left half-written goes away. Oldest first.

        Raises
        ------
        SpoolUnusable, SpoolBusy
        """
        try:
            for folder in (self._folder, self._sent, self._refused):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
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
        with _told("read"):
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
            When it does not fit into the budget or onto the disk; see `excess_bytes`.
        """
        clip = self._clip(self._folder, record.clip_id)
        side = clip.with_suffix(SIDE_SUFFIX)
        try:
            if self.excess_bytes(record.size_bytes) > 0:
                raise SpoolFull(f"no room for a clip of {record.size_bytes} bytes")
            _write_whole(side, record.to_json().encode())
            _write_whole(clip, data)
            _sync_folder(self._folder)
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

    def excess_bytes(self, size: int) -> int:
        """How many bytes have to go before `size` more fit (0: they fit now)."""
        used = self.used_bytes
        free = shutil.disk_usage(self._folder).free
        room = min(self._budget - used, free - RESERVE_BYTES)
        return max(0, size - room)

    def read(self, record: ClipRecord) -> bytes:
        """A clip's bytes, checked.

        Raises
        ------
        ClipDamaged
        """
        for folder in (self._folder, self._sent):
            try:
                data = self._clip(folder, record.clip_id).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ClipDamaged(f"can't read clip {record.clip_id}: {error.strerror}") from error
            digest = base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")
            if record.sha256 and digest != record.sha256:
                raise ClipDamaged(f"clip {record.clip_id} is damaged on disk")
            return data
        raise ClipDamaged(f"clip {record.clip_id} is gone from the spool")

    def park(self, record: ClipRecord) -> None:
        """S3 has the clip: keep it in `sent/` until its result came."""
        self._move(record.clip_id, self._sent)

    def recall(self, record: ClipRecord) -> None:
        """Back from `sent/`: its result did not come, it is to be sent again."""
        self._move(record.clip_id, self._folder, source=self._sent)

    def set_aside(self, record: ClipRecord) -> None:
        """Out of the way, into `refused/`, for a person to look at. Counts in no budget."""
        self._move(record.clip_id, self._refused)
        with self._lock:
            self._sizes.pop(record.clip_id, None)

    def remove(self, clip_ids: Iterable[str]) -> None:
        """Forget clips, wherever they lie."""
        for clip_id in clip_ids:
            with self._lock:
                self._sizes.pop(clip_id, None)
            with _told("remove"):
                for folder in (self._folder, self._sent):
                    clip = self._clip(folder, clip_id)
                    # The clip first: a side file alone is nothing, a clip alone would be sent.
                    clip.unlink(missing_ok=True)
                    clip.with_suffix(SIDE_SUFFIX).unlink(missing_ok=True)

    def _load(self, folder: Path) -> list[ClipRecord]:
        for part in folder.glob("*" + PART_SUFFIX):
            part.unlink()
        records = []
        for clip in sorted(folder.glob("*" + SUFFIX)):
            record = self._record(clip)
            size = clip.stat().st_size
            if size != record.size_bytes:
                self.set_aside(record)
                continue
            self._sizes[record.clip_id] = size
            records.append(record)
        for side in folder.glob("*" + SIDE_SUFFIX):
            if not side.with_suffix(SUFFIX).exists():
                side.unlink()
        return records

    def _record(self, clip: Path) -> ClipRecord:
        """The side file's content; without a readable one, what the file's name tells."""
        try:
            return ClipRecord.from_json(clip.with_suffix(SIDE_SUFFIX).read_text("utf-8"))
        except (OSError, ValueError, TypeError, KeyError, ContractError):
            clip_id = clip.name.removesuffix(SUFFIX)
            date = f"{clip_id[:4]}-{clip_id[4:6]}-{clip_id[6:8]}"
            return ClipRecord.of(
                ClipKey(self._device_id, date, clip_id), ClipMetadata(0, 0, 0), clip.read_bytes()
            )

    def _clip(self, folder: Path, clip_id: str) -> Path:
        return folder / (clip_id + SUFFIX)

    def _move(self, clip_id: str, target: Path, source: Path | None = None) -> None:
        clip = self._clip(source or self._folder, clip_id)
        side = clip.with_suffix(SIDE_SUFFIX)
        with _told("move"):
            if side.exists():
                side.replace(target / side.name)
            if clip.exists():
                clip.replace(target / clip.name)


@contextmanager
def _told(verb: str) -> Iterator[None]:
    """Turn what the disk says into a line for a person."""
    try:
        yield
    except OSError as error:
        raise SpoolUnusable(f"can't {verb} clips in the spool: {error.strerror}") from error


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + PART_SUFFIX)
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
