"""Keep what people put into the lab: a local copy before the cloud's is deleted."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.clips import PREFIX as CLIPS_PREFIX
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY, TOMBSTONES_KEY
from scripts.console import Progress
from scripts.errors import LabError
from scripts.gallery.clean_copies import cleaned
from scripts.gallery.local_copies import ROSTER_NAME
from scripts.gallery.people_table import PeopleTable
from scripts.gallery.tombstones import TombstoneBook
from scripts.provision.people import Seeds


class NoExport(LabError):
    """The folder holds no exported lab."""


def export(switch: Switch, folder: Path, progress: Progress) -> Path:
    """Write people, gallery and models below `folder`; the new folder's path.

    Clips are left out: they expire within a day, and show people who never agreed to more.
    A lab of which only a part exists gives that part.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = folder / f"{switch.bucket}-{stamp}"
    target.mkdir(parents=True, mode=0o700)  # faces are nobody else's business
    forgotten = TombstoneBook(switch).read()
    people = [row for row in _people(switch) if not forgotten.covers(row["person_id"])]
    (target / ROSTER_NAME).write_text(json.dumps(people, indent=2, ensure_ascii=False) + "\n")
    count = 0
    s3 = switch.client("s3")
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=switch.bucket):
            for row in page.get("Contents", ()):
                path = (target / row["Key"]).resolve()
                if row["Key"].startswith(CLIPS_PREFIX) or not path.is_relative_to(target.resolve()):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                body = s3.get_object(Bucket=switch.bucket, Key=row["Key"])["Body"]
                stored = body.read()
                data = cleaned(row["Key"], stored, forgotten.covers) if forgotten else stored
                if data is None:
                    progress(f"left {row['Key']} out: it may know somebody who was forgotten")
                    continue
                path.write_bytes(data)
                count += 1
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
    progress(f"kept {len(people)} people and {count} objects in {target}")
    return target


def exported(folder: Path) -> Seeds:
    """What `export` wrote, to start another lab with.

    Raises
    ------
    NoExport
    """
    roster = folder / ROSTER_NAME
    if not roster.is_file():
        raise NoExport(f"{folder} has no {ROSTER_NAME}", "`make aws-down ARGS=--keep-data` made it")
    paths = [folder / key for key in (GALLERY_KEY, CUSTOM_MODEL_KEY, TOMBSTONES_KEY)]
    return Seeds(roster, *(path if path.is_file() else None for path in paths))


def _people(switch: Switch) -> list[dict[str, str]]:
    try:
        rows = [asdict(person) for person in PeopleTable(switch).all()]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []
    return sorted(rows, key=lambda row: row["person_id"])
