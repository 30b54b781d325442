"""From memory into the spool, and out of it: all that the outbox does with the disk."""

from __future__ import annotations

import time
from collections.abc import Callable

from device.clip_record import ClipRecord
from device.errors import DeviceError
from device.spool import Spool, SpoolError, SpoolFull
from device.underway import Entry, Underway

# The pause before a disk that took nothing is tried again.
RETRY_S = 1.0


class DiskWriter:
    """Writes clips to the spool, oldest first, and makes room there and in memory.

    With `keep`, clips that S3 has stay (in the spool's `sent/`) until somebody forgets them.
    """

    def __init__(self, spool: Spool, underway: Underway, *, keep: bool, memory_bytes: int) -> None:
        self._spool = spool
        self._underway = underway
        self._keep = keep
        self._memory_bytes = memory_bytes
        self._trouble = ""

    def run(self) -> None:
        """Write what comes, until the outbox is stopping and nothing is left to write."""
        changed = self._underway.changed
        while True:
            with changed:
                changed.wait_for(lambda: self._next() is not None or self._underway.stopping)
                if self._next() is None:
                    return
            if not self.write_next():
                with changed:
                    changed.wait_for(lambda: self._underway.stopping, RETRY_S)

    def write_next(self) -> bool:
        """Write the oldest clip that is only in memory; False when the disk takes nothing now.

        It then stays in memory, where `fit_memory` bounds it; when the outbox is stopping
        there is no later, and it is dropped.
        """
        underway = self._underway
        with underway.changed:
            entry = self._next()
            if entry is None:
                return True
            entry.disk_busy = True
            data = entry.data or b""
        began_ns = time.monotonic_ns()
        try:
            stored = self._store(entry.record, data)
        except Exception:
            with underway.changed:
                entry.disk_busy = False  # `close` tries once more
            raise
        if stored:
            write_ms = round((time.monotonic_ns() - began_ns) / 1e6, 1)
            underway.report("stored", {"clip_id": entry.clip_id, "write_ms": write_ms})
        with underway.changed:
            entry.disk_busy = False
            entry.on_disk = stored
            if stored:
                underway.unwritten.pop(entry.clip_id, None)
                if not entry.being_sent:
                    entry.data = None
            lost = not stored and underway.stopping and not entry.confirmed
            if lost:
                underway.drop(entry)
            elif not stored and entry.confirmed:
                underway.forget(entry)  # not to be kept for its result, but S3 has it
            mine = stored and entry.confirmed and self.claim_confirmed(entry)
            underway.changed.notify_all()
        if lost:
            self._tell_dropped([entry.record], "the disk takes nothing, and the program ends")
        if mine:
            self.let_go(entry)
        return stored

    def claim_confirmed(self, entry: Entry) -> bool:
        """Whether the caller, who holds the lock, is to `let_go` of a confirmed clip.

        Not while another thread is at its files (that one will), nor when it has none yet
        and is to be kept (the writer will).
        """
        if entry.disk_busy or (self._keep and not entry.on_disk):
            return False
        entry.data = None
        entry.disk_busy = entry.on_disk
        if not self._keep:
            self._underway.forget(entry)
        return True

    def let_go(self, entry: Entry) -> None:
        """S3 has the clip: forget it, or keep it aside for its result."""
        if self._keep:
            self.try_on_disk(lambda: self._spool.park(entry.record))
        elif entry.on_disk:
            self.try_on_disk(lambda: self._spool.remove([entry.clip_id]))
        with self._underway.changed:
            entry.disk_busy = False
            self._underway.changed.notify_all()

    def set_aside(self, entry: Entry, *, damaged: bool) -> None:
        """Put a clip that is no longer underway into `refused/` or `damaged/`."""
        if not entry.on_disk and not self._store(entry.record, entry.data or b""):
            reason = "it was refused, and the disk takes nothing"
            return self._tell_dropped([entry.record], reason)
        return self.try_on_disk(lambda: self._spool.set_aside(entry.record, damaged=damaged))

    def fit_memory(self) -> None:
        """Drop the oldest clips that are only in memory, as far as it holds too much."""
        with self._underway.changed:
            held = [entry for entry in self._underway.unwritten.values() if entry.data is not None]
            excess = sum(entry.record.size_bytes for entry in held) - self._memory_bytes
            dropped = []
            for entry in held[:-1]:
                if excess <= 0:
                    break
                if not entry.being_sent and not entry.disk_busy:
                    self._underway.drop(entry)
                    dropped.append(entry.record)
                    excess -= entry.record.size_bytes
        self._tell_dropped(dropped, "memory is full and the disk too slow")

    def try_on_disk(self, step: Callable[[], None]) -> None:
        """Do a step that may fail on a card gone bad; the clips go on from memory then.

        What it could not remove is found at the next start and sent again, which harms
        nothing: a clip is answered once.
        """
        try:
            step()
        except SpoolError as error:
            self._tell_trouble(error)

    def _next(self) -> Entry | None:
        for entry in self._underway.unwritten.values():
            if not entry.disk_busy and entry.data is not None:
                return entry
        return None

    def _store(self, record: ClipRecord, data: bytes) -> bool:
        """Write a clip, making room as far as that is possible."""
        while True:
            try:
                self._spool.write(record, data)
            except SpoolFull as error:
                if self._make_room():
                    continue
                self._tell_trouble(error)
                return False
            except SpoolError as error:
                self._tell_trouble(error)
                return False
            self._tell_trouble(None)
            return True

    def _make_room(self) -> bool:
        """First goes what S3 has already, then what it refused, then the oldest that waits."""
        underway = self._underway
        with underway.changed:
            stored = [
                entry
                for entry in underway.entries.values()
                if entry.on_disk and not entry.being_sent and not entry.disk_busy
            ]
            oldest = min(stored, key=lambda entry: not entry.confirmed, default=None)
            if oldest is not None and oldest.confirmed:
                underway.forget(oldest)
        try:
            if oldest is None or not oldest.confirmed:
                if (clip_id := self._spool.drop_oldest_aside()) is not None:
                    underway.report("dropped", {"clip_id": clip_id, "reason": "the spool is full"})
                    return True
                if oldest is None:
                    return False
                with underway.changed:
                    if oldest.being_sent or oldest not in underway:
                        return True  # it is on its way just now; look again
                    underway.drop(oldest)
                self._tell_dropped([oldest.record], "the spool is full")
            self._spool.remove([oldest.clip_id])
        except SpoolError as error:
            self._tell_trouble(error)
            return False
        return True

    def _tell_dropped(self, records: list[ClipRecord], reason: str) -> None:
        for record in records:
            self._underway.report("dropped", {"clip_id": record.clip_id, "reason": reason})

    def _tell_trouble(self, error: DeviceError | None) -> None:
        """Say once that the disk is in trouble, and once that it is over."""
        text = str(error or "")
        if text != self._trouble:
            self._trouble = text
            self._underway.report("spool", {"problem": text or None})
