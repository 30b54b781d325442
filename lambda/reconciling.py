"""Clips without an outcome are sent again; a letter beside a result is taken back.

S3 may lose an event, Lambda may drop it from its queue, an emulator forgets all of them when it
is killed. What lies in the bucket and has neither a result nor a dead letter after a while gets
another event. Doing it twice does no harm: the ledger lets one answer through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from events import ClipRef

LOG = logging.getLogger(__name__)
ROWS_AT_ONCE = 100


@dataclass(frozen=True)
class Row:
    """What the ledger says of a clip. Times are Unix seconds."""

    is_answered: bool = False
    lease_until_s: float = 0.0
    was_sent_again: bool = False


@dataclass(frozen=True)
class Letter:
    """A dead letter: an event that failed for good. `clips` is empty where it names none."""

    receipt: str
    clips: tuple[ClipRef, ...]


@dataclass(frozen=True)
class Listed:
    """A clip in the bucket, and when it was stored (Unix seconds)."""

    ref: ClipRef
    stored_at_s: float


@dataclass(frozen=True)
class Summary:
    """What a run did. `is_complete` is False when its time was over before the bucket's end."""

    clips: int = 0
    sent: int = 0
    failed: int = 0
    letters: int = 0
    letters_taken_back: int = 0
    is_complete: bool = True


class ClipsInBucket(Protocol):
    def list(self) -> Iterable[Listed]: ...


class LedgerRows(Protocol):
    def read(self, rows: Iterable[str]) -> Mapping[str, Row]: ...
    def note_sent_again(self, ref: ClipRef) -> None: ...


class DeadLetters(Protocol):
    """`take` hides what it gives from others for a while; `put_back` ends that at once."""

    def take(self) -> Iterable[Letter]: ...
    def put_back(self, letter: Letter) -> None: ...
    def delete(self, letter: Letter) -> None: ...


class Sender(Protocol):
    def send(self, ref: ClipRef) -> None: ...


class Reconciler:
    """Brings every clip to exactly one outcome."""

    def __init__(
        self,
        clips: ClipsInBucket,
        ledger: LedgerRows,
        letters: DeadLetters,
        sender: Sender,
        now_s: Callable[[], float],
        has_time: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clips = clips
        self._ledger = ledger
        self._letters = letters
        self._sender = sender
        self._now_s = now_s
        self._has_time = has_time

    def run(self, after_s: float) -> Summary:
        """Send again what has no outcome `after_s` seconds after it was stored.

        A clip whose outcome is a letter is sent once more, since most letters come from an
        outage that is over; its letter goes first, or it would stand beside the result until
        the next run. When it fails again it gets another, and that is its outcome. `after_s`
        should be longer than an event may be under way, or a clip is only looked at in vain.
        """
        letters = list(self._letters.take())
        try:
            self._keep_one_each(letters)
            return self._send_missing(letters, after_s)
        finally:
            for letter in letters:
                self._letters.put_back(letter)

    def _keep_one_each(self, letters: list[Letter]) -> None:
        """Delete, and remove from `letters`, what is not the one outcome of its clips."""
        self._taken_back = 0
        rows = self._ledger.read({ref.row for letter in letters for ref in letter.clips})
        seen: set[tuple[str, ...]] = set()
        for letter in list(letters):
            named = tuple(ref.row for ref in letter.clips)
            is_answered = all(rows.get(row, Row()).is_answered for row in named)
            if named and (is_answered or named in seen):
                LOG.info("letter taken back: %r", [ref.object_key for ref in letter.clips])
                self._letters.delete(letter)
                self._taken_back += 1
                letters.remove(letter)
            seen.add(named)

    def _send_missing(self, letters: list[Letter], after_s: float) -> Summary:
        with_letter: dict[str, list[Letter]] = {}
        for letter in letters:
            for ref in letter.clips:
                with_letter.setdefault(ref.row, []).append(letter)
        done = Summary(letters=len(letters), letters_taken_back=self._taken_back)
        for batch in _batches(self._clips.list(), ROWS_AT_ONCE):
            if not self._has_time():
                return replace(done, is_complete=False)
            before = self._now_s() - after_s
            old = [listed.ref for listed in batch if listed.stored_at_s <= before]
            rows = self._ledger.read(ref.row for ref in old)
            for ref in old:
                if not self._is_missing(rows.get(ref.row, Row()), ref.row in with_letter):
                    continue
                was_sent = self._send(ref, with_letter.get(ref.row, []), letters)
                done = replace(done, sent=done.sent + was_sent, failed=done.failed + (not was_sent))
            done = replace(done, clips=done.clips + len(batch))
        return done

    def _is_missing(self, row: Row, has_letter: bool) -> bool:
        if row.is_answered or row.lease_until_s > self._now_s():
            return False
        return not (has_letter and row.was_sent_again)

    def _send(self, ref: ClipRef, named_by: list[Letter], letters: list[Letter]) -> bool:
        """Send one clip; its own letters are deleted, and removed from `letters`, before."""
        try:
            if named_by:  # noted first: rather once too little than for ever
                self._ledger.note_sent_again(ref)
            for letter in named_by:
                if len(letter.clips) == 1 and letter in letters:
                    # Whoever dies here loses nothing: a clip without any outcome is sent.
                    self._letters.delete(letter)
                    letters.remove(letter)
            self._sender.send(ref)
        except Exception:
            # The next run comes to it again; the others must not wait for that.
            LOG.exception("could not be sent again: %r", ref.object_key)
            return False
        LOG.info("sent again: %r", ref.object_key)
        return True


def _batches(listed: Iterable[Listed], size: int) -> Iterator[list[Listed]]:
    batch: list[Listed] = []
    for one in listed:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
