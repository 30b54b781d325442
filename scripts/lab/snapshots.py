"""Take a lab's contents into a file, bring them back, or go back to the beginning."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

from cloud.switch import Switch
from ledger import State, expiry
from scripts.console import Progress
from scripts.errors import LabError
from scripts.lab.contents import Contents, Row
from scripts.lab.snapshot_file import Snapshot, read_snapshot, write_snapshot
from scripts.paths import ROOT
from scripts.provision.people import SHIPPED, keep_forgotten, seed

FOLDER = ROOT / "out" / "snapshots"
SUFFIX = ".facelab.zip"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SETTLED = {State.ANSWERED.value, State.LETTER.value}  # the clip has its outcome


class BadName(LabError):
    """A snapshot's name that can't be a file's."""


def snapshot_path(name: str) -> Path:
    """Where the snapshot of that name lies; a path to a file is taken as it is.

    Raises
    ------
    BadName
    """
    if name.endswith(".zip"):
        return Path(name)
    if not NAME.fullmatch(name):
        raise BadName(
            f"{name!r} is no name for a snapshot",
            "1-64 letters, digits, '-', '_' and '.'; or the path of a .zip file",
        )
    return FOLDER / f"{name}{SUFFIX}"


def take(switch: Switch, path: Path, progress: Progress) -> Snapshot:
    """Write everything that is in the lab into one file."""
    contents, names = Contents(switch, progress), switch.names
    devices = contents.devices()
    snapshot = Snapshot(
        devices=devices,
        people=list(contents.rows(names.people_table)),
        ledger=list(contents.rows(names.ledger_table)),
        messages={one: contents.messages(names.result_queue(one)) for one in devices},
        dead_letters=contents.messages(names.dead_letters),
        objects=list(contents.objects()),
    )
    write_snapshot(path, snapshot)
    return snapshot


def restore(switch: Switch, path: Path, progress: Progress) -> Snapshot:
    """Replace everything that is in the lab by what is in the file.

    Clips that had no outcome when it was taken are answered now; people who were
    forgotten since stay so.

    Raises
    ------
    BadSnapshot
        Before anything was touched.
    """
    snapshot = read_snapshot(path)
    contents, names = Contents(switch, progress), switch.names
    contents.empty()
    for device_id in sorted({*snapshot.devices, *snapshot.messages}):
        contents.add_device(device_id)
    contents.put_rows(names.people_table, snapshot.people)
    settled = {row["clip"]["S"]: row for row in snapshot.ledger if _is_settled(row)}
    contents.put_rows(names.ledger_table, remembered_anew(settled.values(), time.time()))
    for device_id, bodies in snapshot.messages.items():
        contents.send(names.result_queue(device_id), bodies)
    contents.send(names.dead_letters, snapshot.dead_letters)
    done = {row.get("object_key", {}).get("S") for row in settled.values()}
    waiting = []
    for one in snapshot.objects:
        if one.key.startswith("clips/") and one.key not in done:
            waiting.append(one)
        else:
            contents.put(one, quietly=True)
    # Before any clip is answered: who was forgotten since must not be named.
    keep_forgotten(switch, progress)
    for one in waiting:
        contents.put(one, quietly=False)
    seed(switch, SHIPPED, progress)  # takes out again who was forgotten since
    return snapshot


def remembered_anew(rows: Iterable[Row], now_s: float) -> list[Row]:
    """Ledger rows whose time begins now, as that of the clips that are restored with them does.

    An old snapshot's would expire at once, and its clips look like clips that nobody answered.
    """
    return [{**row, "expires_at": {"N": expiry(State(row["status"]["S"]), now_s)}} for row in rows]


def reset(switch: Switch, progress: Progress) -> float:
    """Make the lab as it was when it was first deployed; the seconds that it took."""
    began = time.monotonic()
    Contents(switch, progress).empty()
    seed(switch, SHIPPED, progress)
    return time.monotonic() - began


def _is_settled(row: dict[str, dict[str, str]]) -> bool:
    return row.get("status", {}).get("S") in SETTLED
