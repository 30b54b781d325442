"""A snapshot as one file: a ZIP of JSON and contents, that can be handed to anybody.

It holds data and nothing else: no program, no pickle, no path. Names in it are never used as
file names here, everything is read into memory, and a snapshot that is not exactly as its list of
contents says, or that names what is no part of a lab, is refused before the lab is touched.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.clips import ContractError, check_device_id
from scripts.errors import LabError
from scripts.lab.contents import Row, StoredObject

FORMAT = 1
INDEX = "snapshot.json"
MOST_BYTES = 8_000_000_000
MOST_ENTRIES = 1_000_000
INDEX_BYTES = 200_000_000
KEY = re.compile(r"(clips|gallery|models)/[\w!*'(). /-]{1,900}", re.ASCII)
SCALARS = {"S": str, "N": str, "B": str, "BOOL": bool, "NULL": bool}


class BadSnapshot(LabError):
    """A file is no snapshot of a lab, is damaged, or holds what no lab writes."""


@dataclass(frozen=True)
class Snapshot:
    """What was in a lab. `messages` are bodies, by device; objects are read when asked for."""

    devices: list[str]
    people: list[Row]
    ledger: list[Row]
    messages: dict[str, list[str]]
    dead_letters: list[str]
    objects: list[StoredObject] = field(default_factory=list)


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write the file, whole or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        listed = []
        for number, one in enumerate(snapshot.objects):
            archive.writestr(f"objects/{number}", one.body)
            listed.append(
                {
                    "key": one.key,
                    "metadata": one.metadata,
                    "content_type": one.content_type,
                    "size": len(one.body),
                    "sha256": hashlib.sha256(one.body).hexdigest(),
                }
            )
        index = {
            "format": FORMAT,
            "devices": snapshot.devices,
            "people": snapshot.people,
            "ledger": snapshot.ledger,
            "messages": snapshot.messages,
            "dead_letters": snapshot.dead_letters,
            "objects": listed,
        }
        archive.writestr(INDEX, json.dumps(index))
    draft.replace(path)


def read_snapshot(path: Path) -> Snapshot:
    """Read and check a whole file.

    Raises
    ------
    BadSnapshot
        Whatever is wrong with it. Nothing has been done by then.
    """
    hint = "take it anew with `make snapshot NAME=…`"
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked(archive)
    except FileNotFoundError as error:
        raise BadSnapshot(f"there is no {path}", hint) from error
    except BadSnapshot as error:
        raise BadSnapshot(f"{path.name}: {error}", error.hint or hint) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadSnapshot(f"{path.name} is no snapshot ({error})", hint) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadSnapshot(f"{path.name} is damaged ({error})", hint) from error


def _checked(archive: zipfile.ZipFile) -> Snapshot:
    names = archive.namelist()
    if len(names) > MOST_ENTRIES or len(set(names)) != len(names):
        raise BadSnapshot("has too many entries, or one twice")
    index = json.loads(_read(archive, INDEX, INDEX_BYTES))
    if index["format"] != FORMAT:
        raise BadSnapshot(
            f"has format {index['format']}, this facelab reads {FORMAT}",
            "use the version of facelab that it was taken with",
        )
    listed = _list(index["objects"])
    if set(names) != {INDEX, *(f"objects/{number}" for number in range(len(listed)))}:
        raise BadSnapshot("holds other files than it lists")
    if sum(_count(one["size"]) for one in listed) > MOST_BYTES:
        raise BadSnapshot(f"is larger than {MOST_BYTES / 1e9:.0f} GB")
    return Snapshot(
        devices=[_device(one) for one in _list(index["devices"])],
        people=[_row(row, "person_id") for row in _list(index["people"])],
        ledger=[_row(row, "clip") for row in _list(index["ledger"])],
        messages={_device(name): _texts(bodies) for name, bodies in index["messages"].items()},
        dead_letters=_texts(index["dead_letters"]),
        objects=list(_objects(archive, listed)),
    )


def _objects(archive: zipfile.ZipFile, listed: list[dict[str, Any]]) -> Iterator[StoredObject]:
    for number, one in enumerate(listed):
        body = _read(archive, f"objects/{number}", _count(one["size"]))
        if len(body) != one["size"] or hashlib.sha256(body).hexdigest() != one["sha256"]:
            raise BadSnapshot(f"the contents of {one['key']!r} are damaged")
        key, metadata, content_type = one["key"], one["metadata"], one["content_type"]
        if not KEY.fullmatch(key) or ".." in key:
            raise BadSnapshot(f"{key!r} is no object of a lab")
        _texts([*metadata, *metadata.values(), content_type])
        yield StoredObject(key, body, dict(metadata), content_type)


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """An entry, at most as large as was said: a small file may unpack to any size."""
    with archive.open(name) as entry:
        data = entry.read(most + 1)
    if len(data) > most:
        raise BadSnapshot(f"{name} is larger than it says")
    return data


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise BadSnapshot(f"{value!r} is no size")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadSnapshot("something is no list that should be one")
    return value


def _device(name: Any) -> str:
    try:
        return check_device_id(name)
    except (ContractError, TypeError) as error:
        raise BadSnapshot(f"{name!r} is no device") from error


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise BadSnapshot("a message is no text")
    return values


def _row(row: Any, key: str) -> Row:
    if not isinstance(row, dict) or not isinstance(row.get(key, {}).get("S"), str):
        raise BadSnapshot(f"a row has no {key}")
    for name, value in row.items():
        ((kind, content),) = value.items()
        if kind == "SS":
            _texts(content)
        elif kind not in SCALARS or not isinstance(content, SCALARS[kind]):
            raise BadSnapshot(f"the field {name!r} of a row is no plain value")
    return row
