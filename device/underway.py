"""The clips on their way and what became of the others: what the outbox's threads share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Any

from device.clip_record import ClipRecord

Report = Callable[[str, dict[str, Any]], None]


@dataclass
class Entry:
    """A clip on its way. Changed only while `Underway.changed` is held."""

    record: ClipRecord
    data: bytes | None
    on_disk: bool = False
    disk_busy: bool = False
    being_sent: bool = False
    confirmed: bool = False
    accepted_ns: int = 0
    sent_ns: int = 0
    tries: int = 0
    refusals: int = 0
    sends: int = 0
    given_up: bool = False

    @property
    def clip_id(self) -> str:
        return self.record.clip_id


@dataclass
class Totals:
    """Counted over a run."""

    recovered: int = 0
    recorded: int = 0
    uploaded: int = 0
    answered: int = 0
    resent: int = 0
    dropped: int = 0
    refused: int = 0
    held_back: int = 0


class Underway:
    """All clips that are not done with, by id. Hold `changed` for every look and change.

    `unsent` are those of them that S3 has not confirmed, `unwritten` those that the disk has
    not, oldest first; both are kept so that nobody walks through thousands that only wait.
    """

    def __init__(self, report: Report) -> None:
        self.changed = Condition()
        self.entries: dict[str, Entry] = {}
        self.unsent: dict[str, Entry] = {}
        self.unwritten: dict[str, Entry] = {}
        self.totals = Totals()
        self.stopping = False
        self.report = report

    def add(self, entry: Entry) -> None:
        self.entries[entry.clip_id] = entry
        if not entry.confirmed:
            self.unsent[entry.clip_id] = entry
        if not entry.on_disk:
            self.unwritten[entry.clip_id] = entry
        self.changed.notify_all()

    def confirm(self, entry: Entry, now_ns: int) -> None:
        """S3 has it."""
        entry.confirmed = True
        entry.sends += 1
        entry.sent_ns = now_ns
        self.unsent.pop(entry.clip_id, None)

    def send_again(self, entry: Entry) -> None:
        """S3 may have lost it."""
        entry.confirmed = False
        self.unsent[entry.clip_id] = entry
        self.changed.notify_all()

    def forget(self, entry: Entry) -> None:
        for clips in (self.entries, self.unsent, self.unwritten):
            clips.pop(entry.clip_id, None)
        self.changed.notify_all()

    def drop(self, entry: Entry) -> None:
        """Lost for want of room, and counted."""
        self.forget(entry)
        self.totals.dropped += 1

    def __contains__(self, entry: Entry) -> bool:
        return self.entries.get(entry.clip_id) is entry
