"""Who an empty lab knows: its first people, and nobody who was forgotten."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.listing import every
from cloud.switch import Switch
from contract.clips import ContractError
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from contract.people import check_person_id, clean_name
from contract.results import Person
from scripts.console import Progress
from scripts.errors import LabError
from scripts.gallery.people_table import PeopleTable
from scripts.gallery.tombstones import TombstoneBook, Tombstones, read_tombstones
from scripts.paths import BUILD, ROOT


class BadRoster(LabError):
    """The roster is not a list of people."""


@dataclass(frozen=True)
class Seeds:
    """What an empty lab starts with: people, their gallery, a custom model, and whom not to
    take of these.

    A lab that was exported before anybody was enrolled has no gallery.
    """

    roster: Path
    gallery: Path | None
    model: Path | None
    tombstones: Path | None = None


SHIPPED_GALLERY = BUILD / "seed" / "gallery.npz"
SHIPPED = Seeds(
    roster=ROOT / "fixtures" / "roster.json",
    gallery=SHIPPED_GALLERY,
    model=ROOT / "training" / "shipped" / "custom.onnx",
)


def read_roster(path: Path) -> list[Person]:
    """People from a JSON list of {person_id, name, major, year}.

    Raises
    ------
    BadRoster
        When the file is not that.
    """
    try:
        people = [
            Person(
                check_person_id(row["person_id"]),
                clean_name(row["name"]),
                str(row["major"]),
                str(row["year"]),
            )
            for row in json.loads(path.read_text(encoding="utf-8"))
        ]
    except ContractError as error:
        raise BadRoster(f"{path}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRoster(
            f"{path}: {error!r}", "it must be a JSON list of {person_id, name, major, year}"
        ) from error
    if len({one.person_id for one in people}) < len(people):
        raise BadRoster(f"{path}: a person_id stands there twice", "an id is one person's")
    return people


def seed(switch: Switch, seeds: Seeds, progress: Progress) -> None:
    """Put people, gallery and custom model where none are yet, without those who were forgotten.

    What stands there already is somebody's enrollment or training, and stays; but who was
    forgotten and came back with an older state of the lab goes again.

    Raises
    ------
    BadRoster, TombstonesUnreadable
    """
    book = TombstoneBook(switch)
    forgotten = book.read()
    if seeds.tombstones:
        forgotten = book.take_over(read_tombstones(seeds.tombstones))
    keep_forgotten(switch, progress)
    table = PeopleTable(switch)
    if not table.all():
        people = [one for one in read_roster(seeds.roster) if not forgotten.covers(one.person_id)]
        for person in people:
            table.put(person, None)
        progress(f"roster: {len(people)} people")
    _seed_objects(switch, seeds, forgotten, progress)


def keep_forgotten(switch: Switch, progress: Progress) -> None:
    """Forget again who was forgotten and came back: after a restore, or with a kept state."""
    forgotten = TombstoneBook(switch).read()
    if not forgotten:
        return
    stores = _with_recognition("scripts.gallery.store")
    if stores is None:  # nobody without a row is named
        table = PeopleTable(switch)
        for person in table.all():
            if forgotten.covers(person.person_id):
                table.remove(person.person_id)
        return
    store = stores.PeopleStore(switch)
    returned = store.returned()
    for person_id in sorted(returned):
        store.forget(person_id)
    if returned:
        progress(f"{len(returned)} people who were forgotten had come back, and are gone again")


def _seed_objects(switch: Switch, seeds: Seeds, forgotten: Tombstones, progress: Progress) -> None:
    s3 = switch.client("s3")
    bucket = switch.bucket
    there = {
        row["Key"]
        for prefix in (GALLERY_KEY, CUSTOM_MODEL_KEY)
        for row in every(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix)
    }
    for key, path in ((GALLERY_KEY, seeds.gallery), (CUSTOM_MODEL_KEY, seeds.model)):
        if not path or key in there:
            continue
        data = _without_forgotten(key, path.read_bytes(), forgotten)
        if data is None:
            progress(f"left {key} out: it knows somebody who was forgotten")
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=data)
            progress(f"put {key}")


def _without_forgotten(key: str, data: bytes, forgotten: Tombstones) -> bytes | None:
    if not forgotten:
        return data
    copies = _with_recognition("scripts.gallery.clean_copies")
    # Where nothing can look into a gallery it is left out; `make up` sees to the rest.
    return copies.cleaned(key, data, forgotten.covers) if copies else None


def _with_recognition(module: str) -> Any:
    """A module that needs the recognition package; None in the emulator's container, where the
    init hook runs without it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        return None
