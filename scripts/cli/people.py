"""Who the lab knows: `python -m scripts.cli.people enroll|forget|roster`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from cloud.switch import read_switch
from contract.people import person_id_of
from contract.results import Person
from recognition import Gallery, Recognizer
from scripts.console import Progress, print_json, run_command
from scripts.errors import LabError
from scripts.gallery.photos import examine, read_pictures
from scripts.gallery.store import PeopleStore
from scripts.paths import BUILD, ROOT

MODELS = BUILD / "models"
# Closer than this to somebody else, two people will be taken for each other.
LOOKALIKE_DISTANCE = 0.45


def enroll(options: argparse.Namespace, store: PeopleStore, progress: Progress) -> dict[str, Any]:
    if not options.photos.exists():
        raise LabError(f"there is no {options.photos}", "PHOTOS= takes a folder or a file")
    person_id = options.person_id or person_id_of(options.person)
    if not person_id:
        raise LabError("a person needs a name", 'PERSON="Ada Lovelace"')
    progress(f"looking at {options.photos}")
    found = examine(read_pictures(options.photos), Recognizer.load(MODELS))
    for refusal in found.refusals:
        progress(f"not taken: {refusal.source}: {refusal.reason}")
    if not found.sources:
        raise LabError(
            f"no picture of {options.person} could be taken",
            "3 to 10 sharp pictures with one face each, from slightly different angles",
        )
    person = Person(
        person_id,
        options.person,
        options.major,
        options.year,
    )
    warnings = _warnings(found.embeddings, store.gallery().without(person.person_id))
    for warning in warnings:
        progress(f"careful: {warning}")
    store.enrol(person, found.embeddings)
    progress(f"{person.name} is enrolled; the function knows within seconds")
    return {
        "person_id": person.person_id,
        "taken": found.sources,
        "refused": [{"source": one.source, "reason": one.reason} for one in found.refusals],
        "warnings": warnings,
    }


def _warnings(embeddings: np.ndarray, others: Gallery) -> list[str]:
    warnings = []
    if len(embeddings) < 3:
        warnings.append(f"only {len(embeddings)} picture(s); three or more recognise better")
    if len(others):
        nearest = np.min([others.distances(one) for one in embeddings], axis=0)
        warnings += [
            f"looks much like {other} (distance {distance:.2f}); expect mix-ups"
            for other, distance in zip(others.people, nearest, strict=True)
            if distance < LOOKALIKE_DISTANCE
        ]
    return warnings


def forget(options: argparse.Namespace, store: PeopleStore, progress: Progress) -> dict[str, Any]:
    person_id = options.person_id or person_id_of(options.person)
    traces = store.forget(person_id)
    folder = options.pictures / person_id
    had_pictures = folder.is_dir()
    if had_pictures:
        shutil.rmtree(folder)
    if not (traces.was_in_people or traces.embeddings or traces.clips or had_pictures):
        raise LabError(f"nobody called {person_id} is known", "`make roster` lists everybody")
    progress(
        f"forgot {person_id}: {traces.embeddings} embeddings, {traces.clips} clips, "
        f"{'their pictures, ' if had_pictures else ''}{len(traces.models)} models"
    )
    if traces.models:
        progress("the custom model knew them and is gone: `make train`, then `make deploy-model`")
    return {"person_id": person_id, "pictures": had_pictures, **vars(traces)}


def roster(store: PeopleStore, as_json: bool) -> Any:
    rows = [{**vars(person), "embeddings": count} for person, count in store.roster()]
    if not as_json:
        for row in rows:
            print(
                f"{row['person_id']:24} {row['name']}, {row['major']}, {row['year']}"
                f"  ({row['embeddings']} embeddings)"
            )
        if not rows:
            print("nobody is enrolled")
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab", description=__doc__)
    parser.add_argument("--json", action="store_true")
    actions = parser.add_subparsers(dest="action", required=True)
    new = actions.add_parser("enroll", help="add a person, or replace their pictures")
    new.add_argument("--person", required=True, help="full name")
    new.add_argument("--person-id", help="default: made from the name")
    new.add_argument("--major", default="")
    new.add_argument("--year", default="")
    new.add_argument("--photos", type=Path, required=True, help="pictures or .h264 clips")
    gone = actions.add_parser("forget", help="remove every trace of a person")
    gone.add_argument("--person", default="", help="full name")
    gone.add_argument("--person-id", help="instead of the name")
    gone.add_argument(
        "--pictures",
        type=Path,
        default=ROOT / "out" / "data",
        help="where pictures.py put them",
    )
    actions.add_parser("roster", help="list everybody")
    options = parser.parse_args(arguments)

    store, progress = PeopleStore(read_switch()), Progress()
    if options.action == "enroll":
        outcome = enroll(options, store, progress)
    elif options.action == "forget":
        outcome = forget(options, store, progress)
    else:
        outcome = roster(store, options.json)
    if options.json:
        print_json(outcome)
    return 0


if __name__ == "__main__":
    run_command(main)
