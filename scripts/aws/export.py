"""Keep what people put into the lab: a local copy before the cloud's is deleted."""

from __future__ import annotations

import json
import time
from pathlib import Path

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.clips import PREFIX as CLIPS_PREFIX
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from contract.results import Person
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.people import Seeds

ROSTER_NAME = "roster.json"


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
    people = _people(switch)
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
                path.write_bytes(body.read())
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
    gallery, model = folder / GALLERY_KEY, folder / CUSTOM_MODEL_KEY
    return Seeds(
        roster,
        gallery if gallery.is_file() else None,
        model if model.is_file() else None,
    )


def _people(switch: Switch) -> list[dict[str, str]]:
    pages = switch.client("dynamodb").get_paginator("scan")
    try:
        rows = [
            {name: row.get(name, {}).get("S", "") for name in Person.__dataclass_fields__}
            for page in pages.paginate(TableName=switch.names.people_table)
            for row in page["Items"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []
    return sorted(rows, key=lambda row: row["person_id"])
