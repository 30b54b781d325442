"""The SQLite file of rows: whether it is one, of which version, and how an older one gets on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from localstack_image_functions.state.errors import StateOfOtherVersion, TornState
from localstack_image_functions.state.item_places import place_from_format_1

FORMAT = 2
OLDEST_FORMAT = 1
"""The oldest that is brought up to date when it is opened."""
APPLICATION_ID = 0x1F5A7E
_SCHEMA = """
CREATE TABLE row (
    kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL,
    value BLOB NOT NULL, digest BLOB NOT NULL,
    UNIQUE (kind, scope, key)
);
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def make(connection: sqlite3.Connection, version: str) -> None:
    """Make the tables of new state."""
    connection.executescript(_SCHEMA)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute("INSERT INTO about VALUES ('localstack', ?)", (version,))


def is_state(path: Path, version: str, libraries: Mapping[str, str]) -> bool:
    """Whether there is state of ours in the file, which is not changed by looking.

    Raises
    ------
    TornState
        When it is damaged.
    StateOfOtherVersion
        When it is of a version that this one can't read.
    """
    if not path.exists() or not path.stat().st_size:
        return False
    look = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(look):
        if not look.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return False
        found = look.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok" or _number(look, "application_id") != APPLICATION_ID:
            raise TornState(f"{path} is damaged: {found}")
        _check_versions(look, path, version, libraries)
    return True


def _check_versions(
    look: sqlite3.Connection, path: Path, version: str, libraries: Mapping[str, str]
) -> None:
    about = dict(look.execute("SELECT name, value FROM about"))
    written_as, written_by = _number(look, "user_version"), about["localstack"]
    others = {name: about[name] for name in libraries if name in about}
    # State that does not say which is of before anything asked: it is read as it is.
    ours = {name: libraries[name] for name in others}
    is_readable = OLDEST_FORMAT <= written_as <= FORMAT
    if not is_readable or (written_by, others) != (version, ours):
        raise StateOfOtherVersion(
            f"{path} is state of format {written_as} from LocalStack {written_by}"
            f"{_with(others)}; this is format {FORMAT} with LocalStack {version}{_with(ours)}. "
            f"Use the version that wrote it, or move {path.parent} away and start afresh"
        )


def bring_up_to_date(connection: sqlite3.Connection) -> bool:
    """Rewrite what an older format has otherwise, all of it or nothing; whether there was any."""
    if _number(connection, "user_version") == FORMAT:
        return False
    with transaction(connection):
        rows = connection.execute(
            "SELECT rowid, key FROM row WHERE kind = 'dynamodb-item'"
        ).fetchall()
        # What were two keys of one number, "1" and "1.0", is one: the later row stays.
        connection.executemany(
            "UPDATE OR REPLACE row SET key = ? WHERE rowid = ?",
            [(place_from_format_1(key), rowid) for rowid, key in rows],
        )
        connection.execute(f"PRAGMA user_version={FORMAT}")
    return True


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it, or, after any error, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number


def _with(libraries: Mapping[str, str]) -> str:
    return "".join(f" and {name} {version}" for name, version in libraries.items())
