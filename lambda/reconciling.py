"""Clips without an outcome are sent again, and once more those whose outcome is a letter.

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
from ledger import LEDGER_DAYS, Row, State

LOG = logging.getLogger(__name__)
ROWS_AT_ONCE = 100
# A day less than the ledger's rows live: what it has forgotten looks like what nobody answered.
REMEMBERED_S = (LEDGER_DAYS - 1) * 86_400


@dataclass(frozen=True)
class Letter:
    """A dead letter: an event that failed for good. `clips` is empty where it names none. SQS may
    hand out the same message twice, with another receipt."""

    message_id: str
    receipt: str
    clips: tuple[ClipRef, ...]


@dataclass(frozen=True)
class Listed:
    """A clip in the bucket, and when it was stored (Unix seconds)."""

    ref: ClipRef
    stored_at_s: float


@dataclass(frozen=True)
class Summary:
    """What a run did. `is_complete` is False when its time was over before the bucket's end.

    `too_old` clips are kept longer than the ledger knows of them; they were left alone.
    """

    clips: int = 0
    sent: int = 0
    failed: int = 0
    too_old: int = 0
    letters: int = 0
    letters_taken_back: int = 0
    is_complete: bool = True


class ClipsInBucket(Protocol):
    def list(self) -> Iterable[Listed]: ...


class LedgerRows(Protocol):
    def read(self, rows: Iterable[str]) -> Mapping[str, Row]: ...
    def take_back(self, ref: ClipRef, request_id: str, lease_s: float) -> bool: ...
    def reset(self, ref: ClipRef, request_id: str) -> bool: ...


class DeadLetters(Protocol):
    """`take` hides what it gives from others for a while; `put_back` ends that at once."""

    def take(self) -> Iterable[Letter]: ...
    def put_back(self, letter: Letter) -> None: ...
    def delete(self, letter: Letter) -> None: ...


class Resender(Protocol):
    def send(self, ref: ClipRef) -> None: ...


class Turn(Protocol):
    """The invocation that runs. It may still be at work for `lease_s`, and ends by itself before
    that, when `has_time` says so."""

    @property
    def request_id(self) -> str: ...
    def lease_s(self) -> float: ...
    def has_time(self) -> bool: ...


class Reconciler:
    """Brings every clip to exactly one outcome."""

    def __init__(
        self,
        clips: ClipsInBucket,
        ledger: LedgerRows,
        letters: DeadLetters,
        sender: Resender,
        turn: Turn,
        now_s: Callable[[], float],
    ) -> None:
        self._clips = clips
        self._ledger = ledger
        self._letters = letters
        self._sender = sender
        self._turn = turn
        self._now_s = now_s

    def run(self, after_s: float) -> Summary:
        """Send again what has no outcome `after_s` seconds after it was stored.

        A clip whose outcome is a letter is sent once more, since most letters come from an
        outage that is over; its letter goes first, and the ledger lets nobody answer until
        then. When it fails again it gets another, and that is its outcome. `after_s`
        should be longer than an event may be under way, or a clip is only looked at in vain.
        """
        letters = list({one.message_id: one for one in self._letters.take()}.values())
        try:
            self._remove_stale(letters)
            return self._send_missing(letters, after_s)
        finally:
            for letter in letters:
                self._letters.put_back(letter)

    def _remove_stale(self, letters: list[Letter]) -> None:
        """Delete, and remove from `letters`, what is not the one outcome of its clips: SQS may
        deliver a letter once more that was deleted, or twice."""
        self._taken_back = 0
        rows = self._ledger.read({ref.row for letter in letters for ref in letter.clips})
        seen: set[tuple[str, ...]] = set()
        for letter in list(letters):
            named = tuple(ref.row for ref in letter.clips)
            is_stale = all(_has_left_its_letter(rows.get(row, Row())) for row in named)
            if named and (is_stale or named in seen):
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
            if not self._turn.has_time():
                return replace(done, is_complete=False)
            now_s = self._now_s()
            known = [one for one in batch if one.stored_at_s > now_s - REMEMBERED_S]
            old = [one.ref for one in known if one.stored_at_s <= now_s - after_s]
            rows = self._ledger.read(ref.row for ref in old)
            for ref in old:
                row = rows.get(ref.row, Row())
                if not self._is_missing(row, ref.row in with_letter):
                    continue
                was_sent = self._send(ref, row, with_letter.get(ref.row, []), letters)
                if was_sent is not None:
                    done = replace(
                        done, sent=done.sent + was_sent, failed=done.failed + (not was_sent)
                    )
            done = replace(
                done,
                clips=done.clips + len(batch),
                too_old=done.too_old + len(batch) - len(known),
            )
        return done

    def _is_missing(self, row: Row, has_letter: bool) -> bool:
        if row.state is State.ANSWERED or row.lease_until_s > self._now_s():
            return False
        if row.state is State.LETTER:
            # One that is not here is in somebody's hands, or somebody has dealt with it.
            return has_letter and not row.was_sent_again
        return True

    def _send(
        self, ref: ClipRef, row: Row, named_by: list[Letter], letters: list[Letter]
    ) -> bool | None:
        """Send one clip: whether that was done, None where it is another's turn. Its own letters
        are deleted, and removed from `letters`, before."""
        try:
            if named_by or row.state is State.FAILED:
                if not self._ledger.take_back(ref, self._turn.request_id, self._turn.lease_s()):
                    return None
                for letter in named_by:
                    if len(letter.clips) == 1 and letter in letters:
                        # Whoever dies here loses nothing: the row says that no letter is sure.
                        self._letters.delete(letter)
                        letters.remove(letter)
                if not self._ledger.reset(ref, self._turn.request_id):
                    return None
            self._sender.send(ref)
        except Exception:
            # The next run comes to it again; the others must not wait for that.
            LOG.exception("could not be sent again: %r", ref.object_key)
            return False
        LOG.info("sent again: %r", ref.object_key)
        return True


def _has_left_its_letter(row: Row) -> bool:
    """Whether a clip came further than a letter of it that is found."""
    if row.state is State.NOTHING:
        return row.was_sent_again  # and its letter was deleted before
    return row.state in (State.STARTED, State.ANSWERED)


def _batches(listed: Iterable[Listed], size: int) -> Iterator[list[Listed]]:
    batch: list[Listed] = []
    for one in listed:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
