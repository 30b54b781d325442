"""The people table and its first rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cloud.switch import Switch
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from contract.results import Person
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT


class BadRoster(LabError):
    """The roster is not a list of people."""


@dataclass(frozen=True)
class Seeds:
    """What an empty lab starts with: people, their gallery, a custom model.

    A lab that was exported before anybody was enrolled has no gallery.
    """

    roster: Path
    gallery: Path | None
    model: Path | None


SHIPPED = Seeds(
    roster=ROOT / "fixtures" / "roster.json",
    gallery=BUILD / "seed" / "gallery.npz",
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
        return [
            Person(row["person_id"], row["name"], str(row["major"]), str(row["year"]))
            for row in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRoster(
            f"{path}: {error!r}", "it must be a JSON list of {person_id, name, major, year}"
        ) from error


def put_people(switch: Switch, people: list[Person]) -> None:
    dynamodb = switch.client("dynamodb")
    for person in people:
        dynamodb.put_item(
            TableName=switch.names.people_table,
            Item={
                "person_id": {"S": person.person_id},
                "name": {"S": person.name},
                "major": {"S": person.major},
                "year": {"S": person.year},
            },
        )


def seed(switch: Switch, seeds: Seeds, progress: Progress) -> None:
    """Put people, gallery and custom model where none are yet.

    What stands there already is somebody's enrolment or training, and stays.
    """
    table = switch.client("dynamodb").scan(TableName=switch.names.people_table, Limit=1)
    if not table["Items"]:
        people = read_roster(seeds.roster)
        put_people(switch, people)
        progress(f"roster: {', '.join(person.name for person in people) or 'nobody'}")
    s3 = switch.client("s3")
    bucket = switch.bucket
    there = {
        row["Key"]
        for prefix in (GALLERY_KEY, CUSTOM_MODEL_KEY)
        for row in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
    }
    for key, path in ((GALLERY_KEY, seeds.gallery), (CUSTOM_MODEL_KEY, seeds.model)):
        if path and key not in there:
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
            progress(f"put {key}")
