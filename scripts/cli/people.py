"""Who the lab knows: enroll, forget, list."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloud.switch import read_switch
from contract.people import clean_name
from contract.printable import printable
from contract.results import Person
from recognition import Recognizer
from scripts.cli.parsing import actions_parser
from scripts.console import Progress, confirm, print_json, run_command
from scripts.errors import LabError
from scripts.gallery.enrollment import Choice, lookalikes, whose
from scripts.gallery.evidence import FOLDER as EVIDENCE
from scripts.gallery.forgetting import Forgetting
from scripts.gallery.known import known_people
from scripts.gallery.local_copies import LocalCopies
from scripts.gallery.photos import count_pictures, examine, read_pictures
from scripts.gallery.quality import ENOUGH_PICTURES
from scripts.gallery.store import PeopleStore
from scripts.lab.state import LabState
from scripts.paths import BUILD, ROOT
from training.face_cache import FOLDER as FACE_CACHE

MODELS = BUILD / "models"
OUT = ROOT / "out"


def enroll(options: argparse.Namespace, store: PeopleStore, progress: Progress) -> dict[str, Any]:
    name = clean_name(options.person)
    progress(f"looking at {options.photos}")
    pictures = progress.each(
        read_pictures(options.photos), "looking at photos", count_pictures(options.photos)
    )
    found = examine(pictures, Recognizer.load(MODELS))
    for refusal in found.refusals:
        progress(f"not taken: {refusal}")
    if not found.sources:
        raise LabError(
            f"no picture of {name} could be taken",
            f"{ENOUGH_PICTURES} to 10 sharp pictures with one face each, from slightly "
            "different angles",
        )
    known = known_people(found.embeddings, store)
    person_id = whose(name, options.person_id, options.choice, known)
    before = next((one.person for one in known if one.person.person_id == person_id), None)
    had_row = before if before and before.name else None
    person = Person(person_id, name, options.major, options.year)
    warnings = [
        f"looks much like {one} (distance {one.distance:.2f}); expect mix-ups"
        for one in lookalikes(person_id, known)
    ]
    if len(found.sources) < ENOUGH_PICTURES:
        warnings.append(f"only {len(found.sources)} picture(s); three or more recognize better")
    if missing := found.missing_poses:
        warnings.append(f"no picture {' and none '.join(missing)}: from there they may be missed")
    for warning in warnings:
        progress(f"careful: {warning}")
    store.enroll(person, found.embeddings, had_row, found.quality)
    progress(f"{person.name} is enrolled as {person_id}; the function knows within seconds")
    return {
        "person_id": person_id,
        "taken": found.sources,
        "refused": [asdict(one) for one in found.refusals],
        "warnings": warnings,
    }


def forget(options: argparse.Namespace, store: PeopleStore, progress: Progress) -> dict[str, Any]:
    searched = (OUT, *sorted(LabState().folder.glob("*.log")))
    copies = LocalCopies(options.pictures, options.exports, searched, FACE_CACHE, EVIDENCE)
    forgetting = Forgetting(store, copies)
    plan = forgetting.plan(options.person, options.person_id)
    person = plan.person
    _show(f"What will be removed of {person.name or 'the person'} ({person.person_id}):",
          plan.lines())  # fmt: skip
    confirm("Remove all that?", options.yes)
    with progress.usual("forgetting", "forget"):
        done = forgetting.carry_out(plan, progress)
    _show("What this command can't reach:", done.left)
    if done.cloud.models:
        progress("the custom model knew them and is gone: `make train`, then `make deploy-model`")
    return {
        "person_id": person.person_id,
        "pictures": bool(done.pictures),
        "exports": [str(path) for path in done.exports],
        "not_reached": done.left,
        **asdict(done.cloud),
    }


def _show(title: str, lines: list[str]) -> None:
    print(*map(printable, [title, *lines]), sep="\n  ", file=sys.stderr)


def roster(store: PeopleStore, as_json: bool) -> Any:
    gallery = store.gallery()
    rows = [
        {**asdict(person), "embeddings": len(gallery.embeddings_of(person.person_id))}
        for person in store.people()
    ]
    if not as_json:
        for row in rows:
            about = ", ".join(filter(None, (row["name"], row["major"], row["year"])))
            print(printable(f"{row['person_id']:24} {about}  (embeddings: {row['embeddings']})"))
        if not rows:
            print("nobody is enrolled")
    return rows


def _path(text: str) -> Path:
    """An empty option, as from `make enroll` without PHOTOS, would mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("name a folder or a file (make: PHOTOS=dir)")
    return Path(text)


def main(arguments: list[str] | None = None) -> int:
    parser, add_action = actions_parser("", __doc__)
    new = add_action("enroll", "add a person, or replace their pictures")
    new.add_argument("--person", required=True, help="full name")
    new.add_argument("--person-id", help="default: made from the name")
    new.add_argument("--major", default="", help="shown beside the name")
    new.add_argument("--year", default="", help="the same")
    new.add_argument("--photos", type=_path, required=True, help="pictures or .h264 clips")
    resembles = new.add_mutually_exclusive_group()
    resembles.add_argument(
        "--new",
        dest="choice",
        action="store_const",
        const=Choice.NEW,
        default=Choice.UNSAID,
        help="somebody new, though name or face is like somebody's who is enrolled",
    )
    resembles.add_argument(
        "--same-person",
        dest="choice",
        action="store_const",
        const=Choice.SAME_PERSON,
        help="the one who is enrolled, though name or face differs: replace both",
    )
    gone = add_action("forget", "remove every trace of a person")
    gone.add_argument("--person", default="", help="full name")
    gone.add_argument("--person-id", help="instead of the name, or beside it")
    gone.add_argument(
        "--pictures", type=_path, default=OUT / "data", help="where pictures.py put them"
    )
    gone.add_argument(
        "--exports", type=_path, default=OUT / "kept", help="where `aws down --keep-data` put labs"
    )
    gone.add_argument("--yes", action="store_true", help="don't ask")
    add_action("roster", "list everybody")
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
