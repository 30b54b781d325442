"""What the People page needs the recognizer or the gallery for, in a process of its own.

The server stays small without numpy and models. One task on stdin as JSON, its outcome on stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import Switch, read_switch
from contract.clips import ContractError
from contract.people import clean_name
from contract.results import Box, Person
from recognition import Clip, ClipRejected, Gallery, Recognizer, Settings
from scripts.cloud_errors import explain
from scripts.errors import LabError
from scripts.gallery.enrollment import Choice, lookalikes, whose
from scripts.gallery.known import known_people
from scripts.gallery.photos import FRAMES_OF_A_CLIP, EnrollmentPicture, examine
from scripts.gallery.store import PeopleStore
from scripts.paths import BUILD

MARGIN = 0.6  # of the face's size, on each side: it moves, and landmarks want its surroundings
MOST_EMBEDDINGS = 60


class NoUsableFace(LabError):
    """Nothing in the clip is good enough to know somebody by."""


def facts(gallery: Gallery) -> dict[str, Any]:
    """For each person how many embeddings there are, and who is nearest to them."""
    found: dict[str, Any] = {}
    for person_id in gallery.people:
        own = gallery.embeddings_of(person_id)
        others = gallery.without(person_id)
        entry: dict[str, Any] = {"embeddings": len(own), "nearest": None, "distance": None}
        if len(others):
            distances = np.min([others.nearest_distances(one) for one in own], axis=0)
            nearest = int(np.argmin(distances))
            entry["nearest"] = others.people[nearest]
            entry["distance"] = round(float(distances[nearest]), 3)
        found[person_id] = entry
    return found


def crops(data: bytes, box: Box) -> Iterator[EnrollmentPicture]:
    """Pictures of one face: its place, with a margin, in some frames of the clip.

    Raises
    ------
    NoUsableFace
    """
    margin = round(MARGIN * max(box.bottom - box.top, box.right - box.left, 1))
    try:
        for frame in Clip(data, Settings()).frames(FRAMES_OF_A_CLIP):
            rgb = frame.to_rgb()
            rows = slice(max(0, box.top - margin), max(1, box.bottom + margin))
            columns = slice(max(0, box.left - margin), max(1, box.right + margin))
            yield EnrollmentPicture(
                f"frame {frame.index}", np.ascontiguousarray(rgb[rows, columns])
            )
    except ClipRejected as error:
        raise NoUsableFace(f"the clip can't be read: {error}") from error


def enroll(switch: Switch, task: dict[str, Any]) -> dict[str, Any]:
    """Enroll the face in a clip's box: somebody new, or one more look of somebody known."""
    name = clean_name(str(task["name"]))
    with switch.client("s3").get_object(Bucket=switch.bucket, Key=task["key"])["Body"] as body:
        data = body.read()
    found = examine(crops(data, Box(**task["box"])), Recognizer.load(BUILD / "models"))
    if not found.sources:
        why = "; ".join(f"{one.source}: {one.reason}" for one in found.refusals[:3])
        raise NoUsableFace(f"this face can't be enrolled ({why})", "choose a larger, sharper one")
    store = PeopleStore(switch)
    known = known_people(found.embeddings, store)
    choice = Choice.NEW if task["is_new"] else Choice.UNSAID
    named = [one for one in known if one.person.name.casefold() == name.casefold()]
    if named and choice is Choice.UNSAID:
        choice = Choice.SAME_PERSON  # they were picked by name: a look that was missed
    person_id = whose(name, None, choice, known)
    before = next((one.person for one in known if one.person.person_id == person_id), None)
    row = before if before and before.name else None
    person = row or Person(person_id, name, str(task["major"]), str(task["year"]))
    own = store.gallery().embeddings_of(person_id)
    looks = np.vstack([own, found.embeddings])[-MOST_EMBEDDINGS:]
    before_that = store.photos().get(person_id)
    store.enroll(person, looks, row, found.quality and found.quality.and_more(before_that))
    return {
        "person_id": person_id,
        "name": person.name,
        "taken": len(found.sources),
        "is_new": row is None,
        "alike": [str(one) for one in lookalikes(person_id, known)],
    }


def main() -> int:
    task = json.load(sys.stdin)
    try:
        switch = read_switch()
        outcome = (
            enroll(switch, task) if task["do"] == "enroll" else facts(PeopleStore(switch).gallery())
        )
    except (LabError, ContractError) as error:
        outcome = {"error": str(error), "hint": getattr(error, "hint", "") or ""}
    except (BotoCoreError, ClientError) as error:
        told = explain(error)
        outcome = {"error": str(told), "hint": told.hint or ""}
    json.dump(outcome, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
