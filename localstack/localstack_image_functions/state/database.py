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
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localstack_image_functions.state.errors import StateOfOtherVersion, TornState

LOG = logging.getLogger(__name__)

FORMAT = 1
APPLICATION_ID = 0x1F5A7E
DIGEST_BYTES = 8
LOG_BYTES_TO_FOLD = 4 << 20

_SCHEMA = """
CREATE TABLE row (
    kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL,
    value BLOB NOT NULL, digest BLOB NOT NULL,
    UNIQUE (kind, scope, key)
);
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
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
            self.is_new = not self._is_state(version)
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA wal_autocheckpoint=0")  # `fold` does it off the path
            if self.is_new:
                self._make(version)
            self._connection.executemany(
                "INSERT OR IGNORE INTO about VALUES (?, ?)", self._libraries.items()
            )
        except sqlite3.DatabaseError as error:
            raise TornState(f"{path} is damaged: {error}") from error

    def _make(self, version: str) -> None:
        execute = self._connection.execute
        self._connection.executescript(_SCHEMA)
        execute(f"PRAGMA application_id={APPLICATION_ID}")
        execute(f"PRAGMA user_version={FORMAT}")
        execute("INSERT INTO about VALUES ('localstack', ?)", (version,))

    def _is_state(self, version: str) -> bool:
        """Whether there is state of ours in the file, which is not changed by looking."""
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        look = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(look):
            return self._check(look, version)

    def _check(self, look: sqlite3.Connection, version: str) -> bool:
        execute = look.execute
        if not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return False
        found = execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok" or execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise TornState(f"{self.path} is damaged: {found}")
        about = dict(execute("SELECT name, value FROM about"))
        written_as, written_by = execute("PRAGMA user_version").fetchone()[0], about["localstack"]
        others = {name: about[name] for name in self._libraries if name in about}
        # State that does not say which is of before anything asked: it is read as it is.
        ours = {name: self._libraries[name] for name in others}
        if (written_as, written_by, others) != (FORMAT, version, ours):
            raise StateOfOtherVersion(
                f"{self.path} is state of format {written_as} from LocalStack {written_by}"
                f"{_with(others)}; this is format {FORMAT} with LocalStack {version}{_with(ours)}. "
                f"Use the version that wrote it, or move {self.path.parent} away and start afresh"
            )
        return True

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
            found = self._connection.execute(
                "SELECT scope, key, value, digest FROM row WHERE kind = ? ORDER BY rowid", (kind,)
            ).fetchall()
        for scope, key, value, digest in found:
            if _digest(value) != digest:
                raise TornState(f"{self.path}: the row {kind} {scope} {key} is damaged")
            yield scope, key, value

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

    def _commit(self, changes: dict[RowKey, Value | None], emptied: list[tuple[str, str]]) -> None:
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
            with self._transaction() if len(statements) > 1 else nullcontext():
                for statement, values in statements:
                    self._connection.execute(statement, values)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


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

    def _commit(self, changes: dict[RowKey, Value | None], emptied: list[tuple[str, str]]) -> None:
        """Nothing."""


def _with(libraries: Mapping[str, str]) -> str:
    return "".join(f" and {name} {version}" for name, version in libraries.items())


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=DIGEST_BYTES).digest()
