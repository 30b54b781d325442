"""Forget one person: who is meant, what goes, and what is left for people to see to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract.people import check_person_id, clean_name, person_id_of
from contract.results import Person
from scripts.errors import LabError
from scripts.gallery.enrollment import same_name
from scripts.gallery.local_copies import LocalCopies
from scripts.gallery.store import PeopleStore, Traces


class NobodyKnown(LabError):
    """Nobody of that name or id is known, or it is not clear who is meant."""


def who(name: str, asked_id: str | None, people: Sequence[Person]) -> Person:
    """The one person that is meant; without a row they have no name but the one given.

    Raises
    ------
    NobodyKnown
        When more than one could be meant.
    InvalidName, InvalidPersonId
        When nobody could be called that; also when neither name nor id was given.
    """
    if asked_id:
        check_person_id(asked_id)
        row = next((one for one in people if one.person_id == asked_id), None)
        if row and name and not same_name(row.name, name):
            raise NobodyKnown(f"{asked_id} is {row.name}, not {name}", "give the name or the id")
        return row or Person(asked_id, name, "", "")
    name = clean_name(name)
    namesakes = [one for one in people if same_name(one.name, name)]
    if len(namesakes) > 1:
        ids = ", ".join(one.person_id for one in namesakes)
        raise NobodyKnown(
            f"{len(namesakes)} people are called {name}: {ids}", "say which: ARGS='--person-id …'"
        )
    if namesakes:
        return namesakes[0]
    person_id = person_id_of(name)
    holder = next((one for one in people if one.person_id == person_id), None)
    if holder:
        raise NobodyKnown(
            f"nobody called {name} is known; {person_id} is {holder.name}",
            f"if that is who is meant: ARGS='--person-id {person_id}'",
        )
    return Person(person_id, name, "", "")


@dataclass(frozen=True)
class ForgettingPlan:
    """What forgetting a person would remove."""

    person: Person
    cloud: Traces
    pictures: list[Path]
    exports: list[Path]
    evidence: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.cloud or self.pictures or self.exports or self.evidence)

    def lines(self) -> list[str]:
        """For the one who is asked whether to go on."""
        cloud, person = self.cloud, self.person
        row = f"{person.name}, {person.major}, {person.year}".rstrip(", ")
        listed = [
            (cloud.was_in_people, f"row in the people table: {row}"),
            (cloud.embeddings, f"{cloud.embeddings} embeddings in the gallery"),
            (cloud.clips, f"{cloud.clips} clips they were recognized in"),
            *((True, f"model {key}, which was trained on them") for key in cloud.models),
            (cloud.older_versions, f"{cloud.older_versions} older versions of these"),
            (True, "their name in results that wait in devices' queues"),
            *((True, f"pictures in {folder}") for folder in self.pictures),
            *((True, f"what the export {folder} has of them") for folder in self.exports),
            (self.evidence, f"{len(self.evidence)} clips kept for a wrong answer that named them"),
            (True, "faces that training and evaluation keep for a second look, everybody's"),
        ]
        return [text for is_there, text in listed if is_there]


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and what was out of reach."""

    person: Person
    cloud: Traces
    pictures: list[Path]
    exports: list[Path]
    left: list[str] = field(default_factory=list)


class Forgetting:
    """Forgets people in one lab and on this machine."""

    def __init__(self, store: PeopleStore, copies: LocalCopies):
        self._store = store
        self._copies = copies

    def plan(self, name: str, asked_id: str | None) -> ForgettingPlan:
        """Who is meant and what there is of them; nothing is changed.

        Raises
        ------
        NobodyKnown
            Also when there is nothing of such a person.
        InvalidName, InvalidPersonId
        """
        person = who(name, asked_id, self._store.people())
        plan = ForgettingPlan(
            person,
            self._store.traces_of(person.person_id),
            self._copies.pictures_of(person.person_id),
            self._copies.exports_naming(person.person_id),
            self._copies.evidence_of(person.person_id),
        )
        if not plan:
            raise NobodyKnown(
                f"nobody called {person.name or person.person_id} is known "
                f"({person.person_id}): nothing was deleted",
                "`make roster` lists everybody",
            )
        return plan

    def carry_out(self, plan: ForgettingPlan, say: Callable[[str], None]) -> Forgotten:
        """Remove all that, the names first. Repeat it should it be cut short.

        Raises
        ------
        OutsideItsFolder, GalleryBusy
        """
        person = plan.person
        cloud = self._store.forget(person.person_id)
        say(f"forgotten in the cloud: {cloud.embeddings} embeddings, {cloud.clips} clips, "
            f"{len(cloud.models)} models, {cloud.results} waiting results")  # fmt: skip
        pictures = self._copies.delete_pictures_of(person.person_id)
        exports = self._copies.clean_exports_of(person.person_id)
        self._copies.delete_evidence_of(person.person_id)
        self._copies.empty_face_cache()
        say(f"forgotten here: {len(pictures)} folders of pictures, {len(exports)} exports")
        left = [f"{path} mentions them" for path in self._copies.mentions_of(person)]
        return Forgotten(person, cloud, pictures, exports, [*left, *OUT_OF_REACH])


OUT_OF_REACH = (
    "devices: files that messages.py --log wrote, clips in their spools, results on a screen",
    "snapshots, and copies and exports that were moved elsewhere: restoring them honors this",
    "backups, Git histories, other people's downloads",
    "the function's log has no names; the keys of the clips leave it after a week, and so do the "
    "places and sizes of faces in them, which nothing ties to a person any more",
    "spans of devices (spans.*.jsonl): clip ids and times, no names",
)
