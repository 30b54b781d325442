"""Store and forward: from the recorder through memory and spool to the cloud.

The recorder hands a clip over and goes on recording. At the same time a writer thread puts
the clip into the spool and the workers send it; whoever is first does not wait for the other,
so neither a slow disk nor a slow network costs the other's time. A clip leaves the spool only
when it was confirmed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from device.answered import KEEP, AnsweredReader
from device.backoff import Backoff
from device.errors import DeviceError
from device.link import Link
from device.problems import Kind, Problem
from device.spool import ClipDamaged, ClipRecord, Spool, SpoolError, SpoolFull

MEMORY_BYTES = 32 * 1024 * 1024
# Below this age a clip overtakes the backlog: people look at what happens now.
FRESH_NS = 2_000_000_000
REFUSALS_BEFORE_SETTING_ASIDE = 3
SWEEP_S = 0.5

Report = Callable[[str, dict], None]
Upload = Callable[[ClipRecord, bytes], None]


@dataclass(frozen=True)
class KeepUntilAnswered:
    """Hold clips after S3 took them until `answered` names them; send again when it doesn't."""

    answered: AnsweredReader
    patience_s: float = 300.0
    sends: int = 3


@dataclass(frozen=True)
class Counts:
    """What became of the clips of this run and of those that an earlier run left."""

    recovered: int = 0
    recorded: int = 0
    uploaded: int = 0
    answered: int = 0
    resent: int = 0
    dropped: int = 0
    refused: int = 0
    waiting: int = 0
    awaiting_answer: int = 0
    spool_bytes: int = 0


@dataclass
class _Entry:
    """A clip on its way. Changed only under the outbox's lock."""

    record: ClipRecord
    data: bytes | None
    on_disk: bool = False
    disk_busy: bool = False
    being_sent: bool = False
    confirmed: bool = False
    accepted_ns: int = 0
    refusals: int = 0
    sends: int = 0
    sent_ns: int = 0


@dataclass
class _Totals:
    recovered: int = 0
    recorded: int = 0
    uploaded: int = 0
    answered: int = 0
    resent: int = 0
    dropped: int = 0
    refused: int = 0


class Outbox:
    """Takes clips from the recorder and brings each to the cloud at least once.

    `report(event, fields)` is told what happens, from any thread: `recovered`, `stored`,
    `uploaded`, `answered`, `resent`, `dropped`, `refused`, `link` (closed or open again) and
    `spool` (a disk in trouble).
    """

    def __init__(
        self,
        spool: Spool,
        upload: Upload,
        report: Report,
        *,
        workers: int = 4,
        backoff: Backoff = Backoff(),  # noqa: B008  frozen
        keep: KeepUntilAnswered | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._spool = spool
        self._upload = upload
        self._report = report
        self._workers = workers
        self._keep = keep
        self._memory_bytes = memory_bytes
        self._changed = Condition()
        self._entries: dict[str, _Entry] = {}
        self._link = Link(backoff)
        self._totals = _Totals()
        self._spool_trouble = ""
        self._stopping = False
        self._threads: list[Thread] = []

    def open(self) -> None:
        """Take the spool, pick up what an earlier run left, start sending.

        Raises
        ------
        SpoolError
        """
        waiting, sent = self._spool.open()
        for record in waiting:
            self._entries[record.clip_id] = _Entry(record, None, on_disk=True)
        for record in sent if self._keep is not None else ():
            entry = _Entry(record, None, on_disk=True, confirmed=True, sends=1)
            entry.sent_ns = time.monotonic_ns()
            self._entries[record.clip_id] = entry
        if self._keep is None:
            # A run that kept clips for their results left these; S3 has them.
            self._spool.remove([record.clip_id for record in sent])
        self._totals.recovered = len(waiting)
        if waiting:
            self._report("recovered", {"clips": len(waiting)})
        self._threads = [
            Thread(target=self._write_clips, name="spool", daemon=True),
            *(
                Thread(target=self._send_clips, name=f"upload-{n}", daemon=True)
                for n in range(self._workers)
            ),
        ]
        if self._keep is not None:
            self._threads.append(Thread(target=self._sweep_answers, name="answers", daemon=True))
        for thread in self._threads:
            thread.start()

    def accept(self, record: ClipRecord, data: bytes) -> None:
        """Take a clip over. Never waits for a disk or a network."""
        entry = _Entry(record, data, accepted_ns=time.monotonic_ns())
        with self._changed:
            self._totals.recorded += 1
            self._entries[record.clip_id] = entry
            dropped = self._fit_memory()
            self._changed.notify_all()
        self._tell_dropped(dropped, "memory is full and the disk too slow")

    def wait_until_empty(self, timeout_s: float) -> bool:
        """True when every clip was confirmed (and answered, where kept for that) in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._entries, timeout_s)

    def close(self) -> None:
        """Stop sending, store what is only in memory, let the spool go."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.name == "spool":
                thread.join()
        for thread in self._threads:
            thread.join(timeout=0.2)
        self._spool.close()

    def counts(self) -> Counts:
        with self._changed:
            waiting = sum(not entry.confirmed for entry in self._entries.values())
            totals = self._totals
            return Counts(
                recovered=totals.recovered,
                recorded=totals.recorded,
                uploaded=totals.uploaded,
                answered=totals.answered,
                resent=totals.resent,
                dropped=totals.dropped,
                refused=totals.refused,
                waiting=waiting,
                awaiting_answer=len(self._entries) - waiting,
                spool_bytes=self._spool.used_bytes,
            )

    # --- memory to spool -------------------------------------------------------------------

    def _write_clips(self) -> None:
        while True:
            with self._changed:
                entry = self._changed.wait_for(self._next_to_write_or_stop)
                if entry is True:
                    return
                entry.disk_busy = True
            stored = self._store(entry)
            if stored:
                self._report("stored", {"clip_id": entry.record.clip_id})
            with self._changed:
                entry.disk_busy = False
                entry.on_disk = stored
                if stored and not entry.being_sent:
                    entry.data = None
                confirmed = entry.confirmed and self._claim_confirmed(entry)
                if entry.confirmed and not stored:
                    # It can't be kept for its result, but S3 has it: that is enough.
                    self._entries.pop(entry.record.clip_id, None)
                self._changed.notify_all()
            if confirmed:
                self._let_go(entry)

    def _next_to_write_or_stop(self) -> _Entry | bool:
        for entry in self._entries.values():
            if not entry.on_disk and not entry.disk_busy and entry.data is not None:
                return entry
        return self._stopping

    def _store(self, entry: _Entry) -> bool:
        """Write a clip, dropping the oldest ones where there is no room for it."""
        while True:
            try:
                self._spool.write(entry.record, entry.data or b"")
            except SpoolFull as error:
                dropped = self._drop_oldest_stored()
                if dropped is not None:
                    if not dropped.confirmed:
                        self._tell_dropped([dropped.record], "the spool is full")
                    continue
                self._trouble(error)
            except SpoolError as error:
                self._trouble(error)
            else:
                self._trouble(None)
                return True
            # Not on this disk now. It stays in memory and is tried again with a pause.
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or entry.confirmed, timeout=1.0)
                gone = entry.record.clip_id not in self._entries
                if self._stopping or entry.confirmed or gone:
                    if self._stopping and not entry.confirmed and not gone:
                        self._drop(entry)
                    return False

    def _drop_oldest_stored(self) -> _Entry | None:
        """Make room. First goes what S3 has already, then the oldest that it has not."""
        with self._changed:
            stored = [
                entry
                for entry in self._entries.values()
                if entry.on_disk and not entry.being_sent and not entry.disk_busy
            ]
            if not stored:
                return None
            entry = min(stored, key=lambda entry: not entry.confirmed)
            if entry.confirmed:
                del self._entries[entry.record.clip_id]
            else:
                self._drop(entry)
        self._on_disk(lambda: self._spool.remove([entry.record.clip_id]))
        return entry

    def _fit_memory(self) -> list[ClipRecord]:
        held = [entry for entry in self._entries.values() if entry.data is not None]
        excess = sum(entry.record.size_bytes for entry in held) - self._memory_bytes
        dropped = []
        for entry in held[:-1]:
            if excess <= 0:
                break
            if not entry.being_sent and not entry.disk_busy:
                self._drop(entry)
                dropped.append(entry.record)
                excess -= entry.record.size_bytes
        return dropped

    def _drop(self, entry: _Entry) -> None:
        del self._entries[entry.record.clip_id]
        self._totals.dropped += 1

    def _tell_dropped(self, records: list[ClipRecord], reason: str) -> None:
        for record in records:
            self._report("dropped", {"clip_id": record.clip_id, "reason": reason})

    def _on_disk(self, step: Callable[[], None]) -> None:
        """Do a step that may fail on a card gone bad; the clips go on from memory then.

        What it could not remove is found at the next start and sent again, which harms
        nothing: a clip is answered once.
        """
        try:
            step()
        except SpoolError as error:
            self._trouble(error)

    def _trouble(self, error: DeviceError | None) -> None:
        text = str(error or "")
        if text != self._spool_trouble:
            self._spool_trouble = text
            self._report("spool", {"problem": text or None})

    # --- memory or spool to the cloud ------------------------------------------------------

    def _send_clips(self) -> None:
        while True:
            with self._changed:
                entry = self._wait_for_one_to_send()
                if entry is None:
                    return
                entry.being_sent = True
                probe = self._link.try_it()
                data = entry.data
            self._send(entry, data, probe)

    def _wait_for_one_to_send(self) -> _Entry | None:
        while not self._stopping:
            wait_s = self._link.wait_s()
            if wait_s == 0:
                entry = self._next_to_send()
                if entry is not None:
                    return entry
                wait_s = None
            self._changed.wait(wait_s)
        return None

    def _next_to_send(self) -> _Entry | None:
        """The oldest of the fresh clips, else the oldest of the backlog."""
        free = [
            entry
            for entry in self._entries.values()
            if not entry.being_sent and not entry.confirmed
        ]
        fresh_since_ns = time.monotonic_ns() - FRESH_NS
        for entry in free:
            if entry.accepted_ns > fresh_since_ns and not entry.refusals:
                return entry
        return min(free, key=lambda entry: entry.refusals, default=None)

    def _send(self, entry: _Entry, data: bytes | None, probe: bool) -> None:
        record = entry.record
        began = time.monotonic_ns()
        try:
            if data is None:
                data = self._spool.read(record)
            self._upload(record, data)
        except ClipDamaged as error:
            self._give_up(entry, str(error))
        except Problem as problem:
            if problem.kind is Kind.REFUSED:
                self._link_works()
                self._refused(entry, problem)
            else:
                self._link_fails(entry, problem, probe)
        except Exception as error:
            self._refused(entry, Problem(Kind.REFUSED, f"{type(error).__name__}: {error}"))
        else:
            upload_ms = (time.monotonic_ns() - began) / 1e6
            self._link_works()
            with self._changed:
                entry.being_sent = False
                entry.confirmed = True
                entry.sends += 1
                entry.sent_ns = time.monotonic_ns()
                self._totals.uploaded += 1
                mine = self._claim_confirmed(entry)
                self._changed.notify_all()
            fields = {"clip_id": record.clip_id, "upload_ms": round(upload_ms, 1)}
            self._report("uploaded", fields | {"sequence": record.metadata.sequence})
            if mine:
                self._let_go(entry)

    def _claim_confirmed(self, entry: _Entry) -> bool:
        """Whether the caller, who holds the lock, is to let a confirmed clip go.

        Not while another thread is at its files (that one will), nor when it has none yet
        and is to be kept (the writer will).
        """
        if entry.disk_busy or (self._keep is not None and not entry.on_disk):
            return False
        entry.data = None
        entry.disk_busy = entry.on_disk
        if self._keep is None:
            self._entries.pop(entry.record.clip_id, None)
        return True

    def _let_go(self, entry: _Entry) -> None:
        """S3 has the clip: forget it, or keep it aside for its result. Touches the disk."""
        if self._keep is not None:
            self._on_disk(lambda: self._spool.park(entry.record))
        elif entry.on_disk:
            self._on_disk(lambda: self._spool.remove([entry.record.clip_id]))
        with self._changed:
            entry.disk_busy = False
            self._changed.notify_all()

    def _link_works(self) -> None:
        with self._changed:
            failures = self._link.open()
            self._changed.notify_all()
        if failures is not None:
            self._report("link", {"state": "open", "after_failures": failures})

    def _link_fails(self, entry: _Entry, problem: Problem, probe: bool) -> None:
        with self._changed:
            entry.being_sent = False
            if entry.on_disk:
                entry.data = None
            is_news = self._link.fail(problem, probe)
            waiting = sum(not e.confirmed for e in self._entries.values())
            self._changed.notify_all()
        if is_news:
            self._report(
                "link",
                {
                    "state": "closed",
                    "problem": problem.kind.value,
                    "message": str(problem),
                    "waiting": waiting,
                },
            )

    def _refused(self, entry: _Entry, problem: Problem) -> None:
        with self._changed:
            entry.refusals += 1
            entry.being_sent = False
            again = entry.refusals < REFUSALS_BEFORE_SETTING_ASIDE
            self._link.stop_trying()
            self._changed.notify_all()
        if not again:
            self._give_up(entry, str(problem))

    def _give_up(self, entry: _Entry, reason: str) -> None:
        """A clip that can't be sent goes to `refused/`, so that the others go on."""
        with self._changed:
            entry.being_sent = False
            self._link.stop_trying()
            self._entries.pop(entry.record.clip_id, None)
            self._totals.refused += 1
            on_disk = entry.on_disk
            self._changed.notify_all()
        if on_disk:
            self._on_disk(lambda: self._spool.set_aside(entry.record))
        self._report("refused", {"clip_id": entry.record.clip_id, "reason": reason})

    # --- kept until answered ---------------------------------------------------------------

    def _sweep_answers(self) -> None:
        keep = self._keep
        if keep is None:
            return
        answered: set[str] = set()
        while True:
            # An answer may be there before the worker has noted that S3 took the clip.
            answered.update(keep.answered.new_ids())
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, timeout=SWEEP_S):
                    return
                if len(answered) > 2 * KEEP:
                    answered &= self._entries.keys()
                now = time.monotonic_ns()
                done, late = [], []
                for entry in self._entries.values():
                    if entry.being_sent or entry.disk_busy or not entry.on_disk:
                        continue
                    if entry.record.clip_id in answered:
                        done.append(entry)
                    elif self._is_overdue(entry, keep, now):
                        late.append(entry)
                for entry in done:
                    del self._entries[entry.record.clip_id]
                    self._totals.answered += 1
                for entry in late:
                    entry.disk_busy = True
                if done:
                    self._changed.notify_all()
            self._forget(done)
            for entry in done:
                self._report("answered", {"clip_id": entry.record.clip_id})
            for entry in late:
                self._send_again(entry)

    def _forget(self, entries: list[_Entry]) -> None:
        self._on_disk(lambda: self._spool.remove([entry.record.clip_id for entry in entries]))

    def _is_overdue(self, entry: _Entry, keep: KeepUntilAnswered, now_ns: int) -> bool:
        waited_s = (now_ns - entry.sent_ns) / 1e9
        return entry.confirmed and waited_s > keep.patience_s and entry.sends < keep.sends

    def _send_again(self, entry: _Entry) -> None:
        self._on_disk(lambda: self._spool.recall(entry.record))
        with self._changed:
            entry.disk_busy = False
            entry.confirmed = False
            self._totals.resent += 1
            self._changed.notify_all()
        self._report("resent", {"clip_id": entry.record.clip_id})
