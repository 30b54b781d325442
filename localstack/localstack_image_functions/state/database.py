"""Rows on disk: an SQLite file that survives `kill -9`, and tells when it is damaged.

What is committed lies in the system's page cache at once, where the end of this process does not
touch it. SQLite's log keeps transactions whole through a power cut as well, though the last
seconds before one may be missing (`synchronous=NORMAL`).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from localstack_image_functions.state.database_file import (
    FORMAT,
    bring_up_to_date,
    is_state,
    make,
    transaction,
)
from localstack_image_functions.state.errors import TornState

LOG = logging.getLogger(__name__)

DIGEST_BYTES = 8
LOG_BYTES_TO_FOLD = 4 << 20
PAGE_ROWS = 200

_PAGE = """
SELECT key, value, digest FROM row WHERE kind = ? AND scope = ? AND key >= ?{before}
ORDER BY key LIMIT ?
"""
_NUMBERED = "SELECT scope, key, value, digest FROM row WHERE rowid IN ({places}) ORDER BY rowid"
_EMPTY = "DELETE FROM row WHERE kind = ? AND scope = ?"
_DELETE = "DELETE FROM row WHERE kind = ? AND scope = ? AND key = ?"
_PUT = """
INSERT INTO row (kind, scope, key, value, digest) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, scope, key) DO UPDATE SET value = excluded.value, digest = excluded.digest
"""

Value = Callable[[], bytes | None]
"""Makes a row's value when it is committed; None when there is nothing to keep any more."""

Rows = list[tuple[str, str, Any]]
"""(scope, key, what the value stands for)."""


@dataclass(frozen=True)
class RowKey:
    """What a row is (`s3-object`), whose (a bucket), and which."""

    kind: str
    scope: str
    key: str


@dataclass
class _Batch:
    changes: dict[RowKey, Value | None] = field(default_factory=dict)
    emptied: list[tuple[str, str]] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)


class Database:
    """Rows of bytes by kind, scope and key. Any thread may call."""

    def __init__(self, path: Path, version: str, libraries: Mapping[str, str] | None = None):
        """Open or make the file. `libraries` are others whose classes the rows are of, by version.

        Raises
        ------
        TornState
            When it is damaged.
        StateOfOtherVersion
            When another version of LocalStack or of this format wrote it.
        """
        self.path = path
        self._lock = threading.RLock()
        self._own = threading.local()
        self._later: dict[RowKey, Value | None] = {}
        self._libraries = dict(libraries or {})
        try:
            # Looked at before it is opened for writing: what is refused stays as it was.
            self.is_new = not is_state(path, version, self._libraries)
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA wal_autocheckpoint=0")  # `fold` does it off the path
            if self.is_new:
                make(self._connection, version)
            if bring_up_to_date(self._connection):
                LOG.info("%s is of format %d now", path, FORMAT)
            self._connection.executemany(
                "INSERT OR IGNORE INTO about VALUES (?, ?)", self._libraries.items()
            )
        except sqlite3.DatabaseError as error:
            raise TornState(f"{path} is damaged: {error}") from error

    def put(self, row: RowKey, value: Value) -> None:
        """Keep a row: at once, or with the others of the batch that this thread is in."""
        self._change(row, value)

    def delete(self, row: RowKey) -> None:
        self._change(row, None)

    def delete_scope(self, kind: str, scope: str) -> None:
        """Delete every row of a kind and scope."""
        with self.together() as batch:
            for row in [one for one in batch.changes if (one.kind, one.scope) == (kind, scope)]:
                del batch.changes[row]
            batch.emptied.append((kind, scope))
        with self._lock:
            for row in [one for one in self._later if (one.kind, one.scope) == (kind, scope)]:
                del self._later[row]

    def put_later(self, row: RowKey, value: Value) -> None:
        """Keep a row when `flush` is next called, unless it is changed before."""
        with self._lock:
            self._later[row] = value

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do something once what this thread has changed is kept."""
        with self.together() as batch:
            batch.afterwards.append(action)

    @contextlib.contextmanager
    def together(self) -> Iterator[_Batch]:
        """All changes of this thread inside become one transaction at its end.

        Also after an exception: what changed in memory then has changed all the same.
        """
        outer: _Batch | None = getattr(self._own, "batch", None)
        if outer is not None:
            yield outer
            return
        self._own.batch = batch = _Batch()
        try:
            yield batch
        finally:
            self._own.batch = None
            self._commit(batch.changes, batch.emptied)
            for action in batch.afterwards:
                action()

    def flush(self) -> None:
        """Keep what was left for later."""
        with self._lock:
            later, self._later = self._later, {}
            try:
                self._commit(later, [])
            except Exception:
                self._later = later | self._later
                raise

    def rows(self, kind: str) -> Iterator[tuple[str, str, bytes]]:
        """(scope, key, value) of every row of a kind, in the order in which they came.

        Raises
        ------
        TornState
            At a row whose digest is not that of its value.
        """
        with self._lock:
            found = self._connection.execute("SELECT rowid FROM row WHERE kind = ?", (kind,))
            numbers = sorted(number for (number,) in found)
        for start in range(0, len(numbers), PAGE_ROWS):
            some = numbers[start : start + PAGE_ROWS]
            select = _NUMBERED.format(places=",".join("?" * len(some)))
            with self._lock:
                page = self._connection.execute(select, some).fetchall()
            for scope, key, value, digest in page:
                yield scope, key, self._whole(kind, scope, key, value, digest)

    def _whole(self, kind: str, scope: str, key: str, value: bytes, digest: bytes) -> bytes:
        if _digest(value) != digest:
            raise TornState(f"{self.path}: the row {kind} {scope} {key!r} is damaged")
        return value

    def get(self, row: RowKey) -> bytes | None:
        """One value, None where there is none; what a batch has not committed is not seen.

        Raises
        ------
        TornState
            When its digest is another than that of what was written.
        """
        with self._lock:
            found = self._connection.execute(
                "SELECT value, digest FROM row WHERE kind = ? AND scope = ? AND key = ?",
                (row.kind, row.scope, row.key),
            ).fetchone()
        return None if found is None else self._whole(row.kind, row.scope, row.key, *found)

    def page(
        self, kind: str, scope: str, first: str = "", last: str | None = None, most: int = PAGE_ROWS
    ) -> list[tuple[str, bytes]]:
        """(key, value) of at most so many rows, by key, from `first` on to before `last`."""
        bounds = (first,) if last is None else (first, last)
        select = _PAGE.format(before="" if last is None else " AND key < ?")
        with self._lock:
            found = self._connection.execute(select, (kind, scope, *bounds, most)).fetchall()
        return [(key, self._whole(kind, scope, key, value, digest)) for key, value, digest in found]

    def span(
        self, kind: str, scope: str, first: str = "", last: str | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """As `page`, all of them, of which no more than a page is in memory."""
        while page := self.page(kind, scope, first, last):
            yield from page
            first = page[-1][0] + "\0"  # the least key after that one

    def scopes(self, kind: str) -> list[str]:
        """The scopes in which there are rows of a kind."""
        found: list[str] = []
        next_one = "SELECT min(scope) FROM row WHERE kind = ? AND scope > ?"
        with self._lock:
            scope: str | None = ""
            while scope is not None:
                (scope,) = self._connection.execute(next_one, (kind, scope)).fetchone()
                found += [] if scope is None else [scope]
        return found

    def count_scope(self, kind: str, scope: str) -> int:
        with self._lock:
            count: int = self._connection.execute(
                "SELECT count(*) FROM row WHERE kind = ? AND scope = ?", (kind, scope)
            ).fetchone()[0]
        return count

    def write(
        self, changes: Mapping[RowKey, bytes | None], emptied: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Empty these kinds and scopes, then keep these values; None deletes one.

        Now, as one transaction, whatever batch this thread is in.
        """
        made = {row: None if v is None else partial(bytes, v) for row, v in changes.items()}
        self._commit(made, emptied)

    def keys(self, kind: str, scope: str) -> list[str]:
        with self._lock:
            found = self._connection.execute(
                "SELECT key FROM row WHERE kind = ? AND scope = ? ORDER BY rowid", (kind, scope)
            )
            return [key for (key,) in found]

    def count(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        with self._lock:
            return dict(self._connection.execute("SELECT kind, count(*) FROM row GROUP BY kind"))

    def fold(self) -> None:
        """Fold SQLite's log into the file when it has grown, without keeping writers waiting."""
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size > LOG_BYTES_TO_FOLD:
            with contextlib.closing(sqlite3.connect(self.path)) as other:
                other.execute("PRAGMA wal_checkpoint(RESTART)")

    def copy_to(self, path: Path) -> None:
        """A whole copy at `path`, or none."""
        draft = path.with_name(path.name + ".part")
        draft.unlink(missing_ok=True)
        with (
            contextlib.closing(sqlite3.connect(self.path)) as source,
            contextlib.closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
        draft.replace(path)

    def freeze(self) -> None:
        """Keep whoever wants to change something waiting for good: the process is ending."""
        self._lock.acquire()
        self._fold_all()

    def _fold_all(self) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # a reader: the log stays, whole
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            self.flush()
            self._fold_all()
            self._connection.close()

    def _change(self, row: RowKey, value: Value | None) -> None:
        batch: _Batch | None = getattr(self._own, "batch", None)
        if batch is not None:
            batch.changes[row] = value
        else:
            self._commit({row: value}, [])

    def _commit(
        self, changes: Mapping[RowKey, Value | None], emptied: Sequence[tuple[str, str]]
    ) -> None:
        if not (changes or emptied):
            return
        with self._lock:
            puts, deletes = [], []
            for row, make in changes.items():
                self._later.pop(row, None)
                # Only now: what another thread has changed or deleted since is seen.
                value = make() if make else None
                place = (row.kind, row.scope, row.key)
                if value is None:
                    deletes.append(place)
                else:
                    puts.append((*place, value, _digest(value)))
            statements = [
                *((_EMPTY, scope) for scope in emptied),
                *((_DELETE, place) for place in deletes),
                *((_PUT, values) for values in puts),
            ]
            # Each call lets go of the interpreter, which a busy emulator gives back late: no call
            # more than needed. One statement alone is a transaction by itself.
            with transaction(self._connection) if len(statements) > 1 else nullcontext():
                for statement, values in statements:
                    self._connection.execute(statement, values)


class NoDatabase(Database):
    """Stands in where nothing is to be kept."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._lock = threading.RLock()
        self._later = {}

    def put_later(self, row: RowKey, value: Value) -> None:
        """Nothing."""

    def keys(self, kind: str, scope: str) -> list[str]:
        return []

    def rows(self, kind: str) -> Iterator[tuple[str, str, bytes]]:
        return iter(())

    def _commit(
        self, changes: Mapping[RowKey, Value | None], emptied: Sequence[tuple[str, str]]
    ) -> None:
        """Nothing."""


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=DIGEST_BYTES).digest()
