"""An outbox on a bench: a store that takes or refuses, disks that fail, and what was told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contract.clips import ClipKey, ClipMetadata
from device.backoff import Backoff
from device.clip_record import ClipRecord
from device.outbox import Outbox
from device.problems import Kind, Problem
from device.spool import Spool, SpoolFull
from device.underway import Entry, Underway
from tests.conftest import wait_until

QUICK = Backoff(base_s=0.001, cap_s=0.01)
DEADLINE_S = 30.0


@dataclass
class Store:
    """Takes uploads; `answer` may raise, or wait."""

    answer: Callable[[ClipRecord], None] = lambda record: None
    taken: list[str] = field(default_factory=list)
    data: dict[str, bytes] = field(default_factory=dict)
    tries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, record: ClipRecord, data: bytes) -> None:
        with self.lock:
            self.tries += 1
        self.answer(record)
        with self.lock:
            self.taken.append(record.clip_id)
            self.data[record.clip_id] = data


class Told:
    """What the outbox reported; lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []
        self._changed = threading.Condition()

    def __call__(self, event: str, fields: dict) -> None:
        with self._changed:
            self.events.append((event, fields))
            self._changed.notify_all()

    def of(self, event: str) -> list[dict]:
        return [fields for name, fields in self.events if name == event]

    def wait_for(self, event: str, times: int = 1) -> list[dict]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(event)) >= times, DEADLINE_S), event
        return self.of(event)


def clip(number: int, data: bytes) -> ClipRecord:
    start = 1_800_000_000_000 + number * 500
    key = ClipKey.new("lab", start, number)
    return ClipRecord.of(key, ClipMetadata(start, start + 500, number), data)


class Desk:
    """What one of the outbox's parts works on, without its threads."""

    def __init__(self, spool: Spool) -> None:
        self.told = Told()
        self.underway = Underway(self.told)
        self.spool = spool
        self.spool.open()

    def add(self, entry: Entry, **state: object) -> Entry:
        """Put it among what is underway, then as `state` says."""
        with self.underway.changed:
            self.underway.add(entry)
        for name, value in state.items():
            setattr(entry, name, value)
        return entry

    def store(self, entry: Entry) -> None:
        """As if it had been written before."""
        self.spool.write(entry.record, entry.data)
        entry.on_disk = True
        self.underway.unwritten.pop(entry.clip_id)

    def files(self, folder: str = "") -> list[str]:
        return sorted(path.stem for path in (self.spool.folder / folder).glob("*.h264"))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = Told()
        self.store = Store()
        self._open: list[Outbox] = []

    def outbox(self, budget: int = 10**9, workers: int = 3, **settings: object) -> Outbox:
        spool = settings.pop("spool", None) or Spool(self.folder, "lab", budget)
        outbox = Outbox(spool, self.store, self.told, workers=workers, backoff=QUICK, **settings)
        outbox.open()
        self._open.append(outbox)
        return outbox

    def accept(self, outbox: Outbox, count: int, size: int = 100, first: int = 0) -> list[str]:
        ids = []
        for number in range(first, first + count):
            data = number.to_bytes(4) * (size // 4)
            record = clip(number, data)
            outbox.accept(record, data)
            ids.append(record.clip_id)
        return ids

    def files(self) -> list[str]:
        return sorted(path.stem for path in self.folder.rglob("*.h264"))

    def wait_for_files(self, ids: list[str]) -> None:
        """While an outbox is open its clips move from folder to folder: one may show twice."""
        wait_until(lambda: self.files() == sorted(ids), DEADLINE_S, f"just {ids} on disk")

    def close(self) -> None:
        for outbox in self._open:
            outbox.close()


def down(record: ClipRecord) -> None:
    raise Problem(Kind.NETWORK, "can't be reached")


class BrokenDisk(Spool):
    """Takes nothing until `works` is set."""

    works = False

    def write(self, record: ClipRecord, data: bytes) -> None:
        if not self.works:
            raise SpoolFull("the disk is full")
        super().write(record, data)
