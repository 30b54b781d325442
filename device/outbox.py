"""Store and forward: from the recorder through memory and spool to the cloud.

The recorder hands a clip over and goes on recording. At the same time a writer thread puts
the clip into the spool and the workers send it; whoever is first does not wait for the other,
so neither a slow disk nor a slow network costs the other's time. A clip leaves the spool only
when it was confirmed, and answered where it is kept for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from device.answer_watch import AnswerWatch, KeepUntilAnswered
from device.backoff import Backoff
from device.clip_record import ClipRecord
from device.crew import Crew, Failed
from device.disk_writer import DiskWriter
from device.sender import Sender, Upload
from device.spool import Spool
from device.underway import Entry, Report, Underway

__all__ = ["Counts", "KeepUntilAnswered", "Outbox"]

MEMORY_BYTES = 32 * 1024 * 1024
# How long the end of the program waits for a thread that is in the middle of an upload.
JOIN_S = 0.2


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
    held_back: int = 0
    waiting: int = 0
    awaiting_answer: int = 0
    spool_bytes: int = 0


class Outbox:
    """Takes clips from the recorder and brings each to the cloud at least once.

    `report(event, fields)` is told what happens, from any thread: `recovered`, `stored`,
    `uploaded`, `answered`, `resent`, `unanswered`, `retrying`, `dropped`, `refused`,
    `held_back`, `link` (closed or open again) and `spool` (a disk in trouble).
    `failed(thread, why)` is told when one of its threads ends by a fault of ours: the program
    has to end then; `close` still stores what is only in memory.
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
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        failed: Failed = lambda thread, why: None,
    ) -> None:
        self._spool = spool
        self._report = report
        self._workers = workers
        self._keep = keep
        self._monotonic_ns = monotonic_ns
        self._underway = Underway(report)
        self._writer = DiskWriter(
            spool, self._underway, keep=keep is not None, memory_bytes=memory_bytes
        )
        self._sender = Sender(spool, self._underway, self._writer, upload, backoff, monotonic_ns)
        self._watch = AnswerWatch(spool, self._underway, self._writer, keep, monotonic_ns)
        self._crew = Crew(failed)
        self._write_thread: Thread | None = None

    def open(self) -> None:
        """Take the spool, pick up what an earlier run left, start sending.

        Raises
        ------
        SpoolError
            When the spool can't be used, or another camera uses it.
        """
        waiting, sent = self._spool.open()
        with self._underway.changed:
            for record in waiting:
                self._underway.add(Entry(record, None, on_disk=True))
            for record in sent if self._keep is not None else ():
                entry = Entry(record, None, on_disk=True, confirmed=True, sends=1)
                entry.sent_ns = self._monotonic_ns()
                self._underway.add(entry)
            self._underway.totals.recovered = len(waiting)
        if self._keep is None:
            # A run that kept clips for their results left these; S3 has them.
            self._writer.try_on_disk(lambda: self._spool.remove([one.clip_id for one in sent]))
        if waiting:
            self._report("recovered", {"clips": len(waiting)})
        self._write_thread = self._crew.start("spool", self._writer.run)
        for number in range(self._workers):
            self._crew.start(f"upload-{number}", self._sender.run)
        self._crew.start("answers", self._watch.run)

    def accept(self, record: ClipRecord, data: bytes) -> None:
        """Take a clip over. Never waits for a disk or a network."""
        with self._underway.changed:
            self._underway.totals.recorded += 1
            self._underway.add(Entry(record, data, accepted_ns=self._monotonic_ns()))
        self._writer.fit_memory()

    def hold_back(self, record: ClipRecord) -> None:
        """Count a recorded clip that a gate keeps from being sent, and tell it."""
        with self._underway.changed:
            self._underway.totals.recorded += 1
            self._underway.totals.held_back += 1
        self._report("held_back", {"clip_id": record.clip_id, "sequence": record.metadata.sequence})

    def wait_until_sent(self, timeout_s: float) -> bool:
        """True when S3 confirmed every clip in time."""
        with self._underway.changed:
            return self._underway.changed.wait_for(lambda: not self._underway.unsent, timeout_s)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """True when every clip was confirmed (and answered, where kept for that) in time."""
        with self._underway.changed:
            return self._underway.changed.wait_for(lambda: not self._underway.entries, timeout_s)

    def close(self) -> None:
        """Stop sending, store what is only in memory, let the spool go."""
        with self._underway.changed:
            self._underway.stopping = True
            self._underway.changed.notify_all()
        if self._write_thread is not None:
            self._write_thread.join()
            self._writer.run()  # in case that thread had ended by a fault
        self._crew.join(JOIN_S)
        self._spool.close()

    def counts(self) -> Counts:
        with self._underway.changed:
            waiting = len(self._underway.unsent)
            return Counts(
                **vars(self._underway.totals),
                waiting=waiting,
                awaiting_answer=len(self._underway.entries) - waiting,
                spool_bytes=self._spool.used_bytes,
            )
