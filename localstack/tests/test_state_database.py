"""Rows on disk: transactions, damage, versions."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from localstack_image_functions.state.database import Database, RowKey
from localstack_image_functions.state.errors import StateOfOtherVersion, TornState

ROW = RowKey("kind", "scope", "key")


def rows(database: Database) -> dict[str, bytes]:
    return {key: value for _, key, value in database.rows("kind")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_rows_come_back_in_the_order_in_which_they_came(path: Path) -> None:
    database = Database(path, "1")
    for name in ("b", "a", "c"):
        database.put(RowKey("kind", "scope", name), lambda name=name: name.encode())
    database.put(RowKey("kind", "scope", "b"), lambda: b"again")
    database.delete(RowKey("kind", "scope", "a"))
    database.close()
    assert list(rows(Database(path, "1")).items()) == [("b", b"again"), ("c", b"c")]


def test_a_put_survives_kill_9(path: Path) -> None:
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from localstack_image_functions.state.database import Database, RowKey\n"
        f"database = Database(Path({str(path)!r}), '1')\n"
        "database.put(RowKey('kind', 'scope', 'key'), lambda: b'kept')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -9
    assert rows(Database(path, "1")) == {"key": b"kept"}


def test_a_batch_is_one_transaction_and_runs_its_actions_after_it(path: Path) -> None:
    database, seen = Database(path, "1"), []
    with database.together():
        database.put(ROW, lambda: b"1")
        with database.together():
            database.afterwards(lambda: seen.append(dict(rows(database))))
        assert rows(database) == {}
    assert seen == [{"key": b"1"}]


def test_a_value_is_made_when_it_is_kept_so_that_a_late_put_keeps_nothing_deleted(
    path: Path,
) -> None:
    database, alive = Database(path, "1"), [True]
    with database.together():
        database.put(ROW, lambda: b"1" if alive else None)
        alive.clear()
    assert rows(database) == {}


def test_what_is_left_for_later_gives_way_to_what_comes_before(path: Path) -> None:
    database = Database(path, "1")
    database.put_later(ROW, lambda: b"received")
    database.delete(ROW)
    database.flush()
    assert rows(database) == {}
    database.put_later(ROW, lambda: b"received")
    database.delete_scope("kind", "scope")
    database.flush()
    assert rows(database) == {}


def test_a_damaged_row_is_noticed(path: Path) -> None:
    database = Database(path, "1")
    database.put(ROW, lambda: b"value")
    database.close()
    other = sqlite3.connect(path)
    other.execute("UPDATE row SET value = ?", (b"valuf",))
    other.commit()
    other.close()
    with pytest.raises(TornState, match="damaged"):
        rows(Database(path, "1"))


@pytest.mark.parametrize("keep", [0.5, 0.9], ids=["half", "most"])
def test_a_torn_file_is_noticed(path: Path, keep: float) -> None:
    database = Database(path, "1")
    for number in range(500):
        database.put(RowKey("kind", "scope", str(number)), lambda: b"x" * 500)
    database.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(TornState):
        rows(Database(path, "1"))


def test_a_file_that_is_no_database_is_noticed(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(TornState):
        Database(path, "1")


def test_a_database_of_something_else_is_not_taken_for_ours(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE about (name, value)")
    other.commit()
    other.close()
    with pytest.raises(TornState):
        Database(path, "1")


def test_state_of_another_version_is_refused_with_a_hint(path: Path) -> None:
    Database(path, "4.13.1").close()
    with pytest.raises(StateOfOtherVersion, match=r"move .* away"):
        Database(path, "4.14.0")
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(StateOfOtherVersion, match="format 99"):
        Database(path, "4.13.1")


def test_state_of_another_moto_is_refused_and_older_state_says_so_from_now_on(path: Path) -> None:
    Database(path, "1").close()  # before anything asked for it
    Database(path, "1", {"moto": "5.1"}).close()
    with pytest.raises(StateOfOtherVersion, match=r"moto 5\.1; .* moto 5\.2"):
        Database(path, "1", {"moto": "5.2"})


def test_a_copy_is_whole(path: Path, tmp_path: Path) -> None:
    database = Database(path, "1")
    database.put(ROW, lambda: b"1")
    database.copy_to(tmp_path / "copy.db")
    assert rows(Database(tmp_path / "copy.db", "1")) == {"key": b"1"}
