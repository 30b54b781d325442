"""Clips that are kept until their results were shown: let go of, or sent again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from device.answered import KEEP
from device.disk_writer import DiskWriter
from device.spool import Spool, SpoolError
from device.underway import Entry, Underway

SWEEP_S = 0.5


class Answers(Protocol):
    """What has been answered; `AnsweredReader` is one."""

    def new_ids(self) -> Iterable[str]: ...
    def viewer_is_running(self) -> bool: ...


@dataclass(frozen=True)
class KeepUntilAnswered:
    """Hold clips after S3 took them until `answered` names them; send again when it doesn't.

    Patience runs only while somebody shows results: without a viewer, no answer says nothing.
    """

    answered: Answers
    patience_s: float = 300.0
    sends: int = 3


class AnswerWatch:
    """Looks twice a second what was answered, and whether refused clips are asked for again."""

    def __init__(
        self,
        spool: Spool,
        underway: Underway,
        writer: DiskWriter,
        keep: KeepUntilAnswered | None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._spool = spool
        self._underway = underway
        self._writer = writer
        self._keep = keep
        self._monotonic_ns = monotonic_ns
        self._answered: set[str] = set()
        self._watched_since_ns: int | None = None

    def run(self) -> None:
        """Sweep until the outbox is stopping."""
        while True:
            self.sweep()
            with self._underway.changed:
                if self._underway.changed.wait_for(lambda: self._underway.stopping, SWEEP_S):
                    return

    def sweep(self) -> None:
        """One look."""
        if self._spool.retry_asked():
            self._retry_refused()
        if self._keep is None:
            return
        try:
            # An answer may be there before the worker has noted that S3 took the clip.
            self._answered.update(self._keep.answered.new_ids())
        except OSError:
            return  # a disk that can't be read now: the next look may
        self._note_viewer(self._keep.answered.viewer_is_running())
        done, late = self._sort(self._keep)
        self._writer.try_on_disk(lambda: self._spool.remove([entry.clip_id for entry in done]))
        for entry in done:
            self._underway.report("answered", {"clip_id": entry.clip_id})
        for entry in late:
            self._send_again(entry, self._keep)

    def _note_viewer(self, is_running: bool) -> None:
        if not is_running:
            self._watched_since_ns = None
        elif self._watched_since_ns is None:
            self._watched_since_ns = self._monotonic_ns()

    def _sort(self, keep: KeepUntilAnswered) -> tuple[list[Entry], list[Entry]]:
        """The clips that were answered, no longer underway, and those that are overdue."""
        done, late = [], []
        with self._underway.changed:
            if len(self._answered) > 2 * KEEP:
                self._answered &= self._underway.entries.keys()
            now_ns = self._monotonic_ns()
            for entry in self._underway.entries.values():
                if entry.being_sent or entry.disk_busy or not entry.on_disk:
                    continue
                if entry.clip_id in self._answered:
                    done.append(entry)
                elif self._is_overdue(entry, keep, now_ns):
                    late.append(entry)
                    entry.disk_busy = True
            for entry in done:
                self._underway.forget(entry)
                self._underway.totals.answered += 1
        return done, late

    def _is_overdue(self, entry: Entry, keep: KeepUntilAnswered, now_ns: int) -> bool:
        if not entry.confirmed or entry.given_up or self._watched_since_ns is None:
            return False
        return now_ns - max(entry.sent_ns, self._watched_since_ns) > keep.patience_s * 1e9

    def _send_again(self, entry: Entry, keep: KeepUntilAnswered) -> None:
        again = entry.sends < keep.sends
        if again:
            self._writer.try_on_disk(lambda: self._spool.recall(entry.record))
        with self._underway.changed:
            entry.disk_busy = False
            if again:
                self._underway.send_again(entry)
                self._underway.totals.resent += 1
            else:
                entry.given_up = True  # for this run; it stays, and the next start goes on
        self._underway.report("resent" if again else "unanswered", {"clip_id": entry.clip_id})

    def _retry_refused(self) -> None:
        try:
            records = self._spool.take_refused()
        except SpoolError:
            return
        with self._underway.changed:
            for record in records:
                self._underway.add(Entry(record, None, on_disk=True))
        if records:
            self._underway.report("retrying", {"clips": len(records)})
