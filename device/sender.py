"""From memory or spool to the cloud, several clips at once, over a link that comes and goes."""

from __future__ import annotations

import time
from collections.abc import Callable

from device.backoff import Backoff
from device.clip_record import ClipRecord
from device.crew import describe
from device.disk_writer import DiskWriter
from device.link import Link
from device.problems import Kind, Problem
from device.spool import ClipDamaged, Spool
from device.underway import Entry, Underway

Upload = Callable[[ClipRecord, bytes], None]

# Below this age a clip overtakes the backlog: people look at what happens now.
FRESH_NS = 2_000_000_000
FRESH_TRIES = 3
REFUSALS_BEFORE_SETTING_ASIDE = 3


class Sender:
    """Sends clips; any number of threads may `run`.

    Only S3's own refusal of a clip, or a fault of ours with it, sets it aside; every other
    failure closes the link for all clips, and another clip is the next to try it: one that
    always fails does not hold up the rest.
    """

    def __init__(
        self,
        spool: Spool,
        underway: Underway,
        writer: DiskWriter,
        upload: Upload,
        backoff: Backoff,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._spool = spool
        self._underway = underway
        self._writer = writer
        self._upload = upload
        self._monotonic_ns = monotonic_ns
        self._link = Link(backoff, monotonic_ns)

    def run(self) -> None:
        """Send what comes, until the outbox is stopping."""
        while True:
            with self._underway.changed:
                entry = self._wait_for_one()
                if entry is None:
                    return
                entry.being_sent = True
                probe = self._link.try_it()
                data = entry.data
            self._send(entry, data, probe)

    def _wait_for_one(self) -> Entry | None:
        """The next clip to send; None when the outbox is stopping."""
        while not self._underway.stopping:
            wait_s = self._link.wait_s()
            if wait_s == 0:
                if (entry := self._next()) is not None:
                    return entry
                wait_s = None
            self._underway.changed.wait(wait_s)
        return None

    def _next(self) -> Entry | None:
        """The oldest of the fresh clips, else the one least often tried, the oldest first."""
        free = [entry for entry in self._underway.unsent.values() if not entry.being_sent]
        fresh_since_ns = self._monotonic_ns() - FRESH_NS
        for entry in free:
            if entry.accepted_ns > fresh_since_ns and entry.tries < FRESH_TRIES:
                return entry
        return min(free, key=lambda entry: entry.tries, default=None)

    def _send(self, entry: Entry, data: bytes | None, probe: bool) -> None:
        began = self._monotonic_ns()
        try:
            if data is None:
                data = self._spool.read(entry.record)
            self._upload(entry.record, data)
        except ClipDamaged as error:
            self._set_aside(entry, str(error), damaged=True)
        except Problem as problem:
            if problem.kind is Kind.REFUSED:
                self._link_works()
                self._refused(entry, str(problem))
            else:
                self._link_fails(entry, problem, probe)
        except Exception as error:  # a fault of ours concerns only its clip
            self._refused(entry, describe(error))
        else:
            self._link_works()
            self._sent(entry, (self._monotonic_ns() - began) / 1e6)

    def _sent(self, entry: Entry, upload_ms: float) -> None:
        underway = self._underway
        with underway.changed:
            entry.being_sent = False
            underway.confirm(entry, self._monotonic_ns())
            underway.totals.uploaded += 1
            mine = self._writer.claim_confirmed(entry)
            underway.changed.notify_all()
        fields = {"clip_id": entry.clip_id, "upload_ms": round(upload_ms, 1)}
        underway.report("uploaded", fields | {"sequence": entry.record.metadata.sequence})
        if mine:
            self._writer.let_go(entry)

    def _link_works(self) -> None:
        with self._underway.changed:
            failures = self._link.open()
            self._underway.changed.notify_all()
        if failures is not None:
            self._underway.report("link", {"state": "open", "after_failures": failures})

    def _link_fails(self, entry: Entry, problem: Problem, probe: bool) -> None:
        with self._underway.changed:
            entry.being_sent = False
            entry.tries += 1
            if entry.on_disk:
                entry.data = None
            is_news = self._link.fail(problem, probe)
            waiting = len(self._underway.unsent)
            self._underway.changed.notify_all()
        if is_news:
            self._underway.report(
                "link",
                {
                    "state": "closed",
                    "problem": problem.kind.value,
                    "message": str(problem),
                    "waiting": waiting,
                },
            )

    def _refused(self, entry: Entry, reason: str) -> None:
        with self._underway.changed:
            entry.tries += 1
            entry.refusals += 1
            again = entry.refusals < REFUSALS_BEFORE_SETTING_ASIDE
            # One that is set aside stays with this thread, or another would send it meanwhile.
            entry.being_sent = not again
            self._link.stop_trying()
            self._underway.changed.notify_all()
        if not again:
            self._set_aside(entry, reason)

    def _set_aside(self, entry: Entry, reason: str, *, damaged: bool = False) -> None:
        """A clip that can't be sent makes way for the others."""
        underway = self._underway
        with underway.changed:
            underway.changed.wait_for(lambda: not entry.disk_busy)  # the writer is at its files
            entry.being_sent = False
            self._link.stop_trying()
            underway.forget(entry)
            underway.totals.refused += 1
        self._writer.set_aside(entry, damaged=damaged)
        underway.report("refused", {"clip_id": entry.clip_id, "reason": reason})
