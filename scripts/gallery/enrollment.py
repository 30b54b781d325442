"""Whose name and face this is: somebody enrolled already, somebody new, or a clash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from contract.people import InvalidName, check_person_id, name_key, person_id_of
from contract.results import Person
from scripts.errors import LabError
from scripts.gallery.likeness import LIKENESS

_NEW = "if this is somebody else, add ARGS=--new"
_SAME = "if it is the same person, add ARGS=--same-person"


class Clash(LabError):
    """A name, an id or a face that is another person's, as far as anybody can tell."""


class Choice(Enum):
    """What the one who enrolls says about somebody who resembles a person that is known."""

    UNSAID = "unsaid"
    NEW = "new"
    SAME_PERSON = "same-person"


@dataclass(frozen=True)
class Known:
    """A person who is enrolled, and how far the new pictures are from theirs (L2).

    `distance` is None where they have no pictures in the gallery.
    """

    person: Person
    distance: float | None

    @property
    def looks_the_same(self) -> bool:
        return self.distance is None or self.distance <= LIKENESS.same

    def __str__(self) -> str:
        return f"{self.person.name or 'somebody without a name'} ({self.person.person_id})"


def whose(name: str, asked_id: str | None, choice: Choice, known: Sequence[Known]) -> str:
    """The person id to enroll `name` under.

    Raises
    ------
    Clash
        With both names, and what to say to resolve it.
    InvalidName, InvalidPersonId
    """
    if asked_id:
        person_id = _as_asked(name, check_person_id(asked_id), choice, known)
    elif choice is Choice.NEW:
        person_id = _free_id(person_id_of(name), known)
    else:
        person_id = _by_name(name, choice, known)
    if choice is Choice.UNSAID:
        _check_faces(name, person_id, known)
    return person_id


def _as_asked(name: str, person_id: str, choice: Choice, known: Sequence[Known]) -> str:
    holder = _holder(person_id, known)
    if holder and choice is Choice.NEW:
        raise Clash(f"{person_id} is {holder} already", "--new needs an id that is free")
    if holder and choice is Choice.UNSAID and not _is_called(holder, name):
        raise Clash(f"{person_id} is {holder}, not {name}", f"another --person-id; {_SAME}")
    return person_id


def _by_name(name: str, choice: Choice, known: Sequence[Known]) -> str:
    namesakes = [one for one in known if _is_called(one, name)]
    if len(namesakes) == 1:
        return namesakes[0].person.person_id
    if namesakes:
        alike = [one for one in namesakes if one.distance is not None and one.looks_the_same]
        if len(alike) == 1:
            return alike[0].person.person_id
        raise Clash(
            f"{len(namesakes)} people are called {name}: {', '.join(map(str, namesakes))}",
            f"say which: ARGS='--person-id …'; {_NEW}",
        )
    person_id = person_id_of(name)
    holder = _holder(person_id, known)
    if holder and choice is not Choice.SAME_PERSON:
        raise Clash(f"{name} would be {person_id}, which is {holder}", f"{_NEW}; {_SAME}")
    return person_id


def _check_faces(name: str, person_id: str, known: Sequence[Known]) -> None:
    own = _holder(person_id, known)
    if own and not own.looks_the_same:
        raise Clash(
            f"{own} is enrolled already and looks different (distance {own.distance:.2f}) from "
            f"{name} in these pictures",
            f"{_NEW}; {_SAME}",
        )
    others = [(one.distance, one) for one in known if one is not own and one.distance is not None]
    if not others:
        return
    distance, nearest = min(others, key=lambda pair: pair[0])
    nearer_to_own = own is not None and own.distance is not None and own.distance <= distance
    if distance < LIKENESS.lookalike and not nearer_to_own:
        raise Clash(
            f"{name} looks like {nearest}, who is enrolled (distance {distance:.2f})",
            f"one person under two names is mistaken for both; {_NEW}",
        )


def lookalikes(person_id: str, known: Sequence[Known]) -> list[Known]:
    """Other people whom these pictures would be taken for."""
    return [
        one
        for one in known
        if one.person.person_id != person_id
        and one.distance is not None
        and one.distance < LIKENESS.lookalike
    ]


def _is_called(one: Known, name: str) -> bool:
    """Somebody whose row is gone, or was never written whole, is known by the id alone."""
    if not one.person.name:
        return one.person.person_id == person_id_of(name)
    return same_name(one.person.name, name)


def same_name(one: str, other: str) -> bool:
    try:
        return name_key(one) == name_key(other)
    except InvalidName:  # a row from before names were checked
        return one == other


def _holder(person_id: str, known: Sequence[Known]) -> Known | None:
    return next((one for one in known if one.person.person_id == person_id), None)


def _free_id(person_id: str, known: Sequence[Known]) -> str:
    taken = {one.person.person_id for one in known}
    number = 2
    free = person_id
    while free in taken:
        free = f"{person_id[:56]}-{number}"
        number += 1
    return free
