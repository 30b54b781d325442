"""Whose name and face it is: nobody takes another's place without somebody saying so."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.people import InvalidName, InvalidPersonId
from contract.results import Person
from scripts.gallery.enrollment import Choice, Clash, Known, lookalikes, whose
from scripts.gallery.likeness import LIKENESS

SAME, FAR = LIKENESS.lookalike - 0.1, LIKENESS.same + 0.2


def known(person_id: str, name: str, distance: float | None = FAR) -> Known:
    return Known(Person(person_id, name, "", ""), distance)


def ask(name, *others, person_id=None, choice=Choice.UNSAID):
    return whose(name, person_id, choice, others)


def test_somebody_new_gets_an_id_of_the_name():
    assert ask("Ada Lovelace", known("alex", "Alex")) == "ada-lovelace"


def test_alex_with_an_exclamation_mark_is_not_alex():
    assert ask("Alex!", known("alex", "Alex")) != "alex"


@pytest.mark.parametrize("name", ["José", "  JOSÉ ", unicodedata.normalize("NFD", "José")])
def test_the_same_person_again_keeps_the_id_however_the_name_is_typed(name):
    assert ask(name, known("an-old-id", "José", SAME)) == "an-old-id"


def test_person_without_pictures_is_known_by_the_name():
    assert ask("Ada", known("ada", "Ada", None)) == "ada"


def test_same_name_with_another_face_is_refused_with_both_names_and_what_to_say():
    with pytest.raises(Clash, match=r"Ada \(ada\) is enrolled already and looks different") as said:
        ask("Ada", known("ada", "Ada", FAR))
    assert "--new" in said.value.hint
    assert "--same-person" in said.value.hint


def test_two_people_of_one_name_by_saying_so():
    alex = known("alex", "Alex")
    assert ask("Alex", alex, choice=Choice.NEW) == "alex-2"
    assert ask("Alex", alex, known("alex-2", "Alex"), choice=Choice.NEW) == "alex-3"
    assert ask("Alex", alex, person_id="alex-the-other") == "alex-the-other"


def test_of_two_people_of_one_name_the_face_tells_which():
    assert ask("Alex", known("alex", "Alex"), known("alex-2", "Alex", SAME)) == "alex-2"


def test_of_two_people_of_one_name_a_third_face_is_refused():
    with pytest.raises(Clash, match=r"2 people are called Alex: Alex \(alex\), Alex \(alex-2\)"):
        ask("Alex", known("alex", "Alex"), known("alex-2", "Alex"))


def test_name_that_would_take_anothers_id_is_refused_with_both_names():
    with pytest.raises(Clash, match=r"Anna-Maria would be anna-maria, which is Anna Maria"):
        ask("Anna-Maria", known("anna-maria", "Anna Maria"))
    assert ask("Anna-Maria", known("anna-maria", "Anna Maria"), choice=Choice.NEW) == "anna-maria-2"


def test_id_of_somebody_else_is_refused_unless_it_is_the_same_person():
    ada = known("ada", "Ada", SAME)
    with pytest.raises(Clash, match=r"ada is Ada \(ada\), not Grace"):
        ask("Grace", ada, person_id="ada")
    with pytest.raises(Clash, match="already"):
        ask("Grace", ada, person_id="ada", choice=Choice.NEW)
    assert ask("Grace", ada, person_id="ada", choice=Choice.SAME_PERSON) == "ada"


def test_one_face_under_two_names_is_refused_unless_told():
    ada = known("ada", "Ada", SAME)
    with pytest.raises(Clash, match=r"Grace looks like Ada \(ada\)"):
        ask("Grace", ada)
    assert ask("Grace", ada, choice=Choice.NEW) == "grace"
    assert [one.person.name for one in lookalikes("grace", [ada])] == ["Ada"]


def test_twin_who_is_enrolled_already_is_enrolled_again():
    twins = known("ada", "Ada", 0.1), known("eva", "Eva", 0.3)
    assert ask("Ada", *twins) == "ada"
    with pytest.raises(Clash, match="Eva looks like Ada"):
        ask("Eva", *twins)
    assert ask("Eva", *twins, choice=Choice.SAME_PERSON) == "eva"


@pytest.mark.parametrize("name", ["", "!!!", "..", " "])
def test_nobody_is_called_that(name):
    with pytest.raises(InvalidName):
        ask(name)


@pytest.mark.parametrize("person_id", ["..", "/etc", "a/b", "A"])
def test_id_that_could_leave_its_folder_is_refused_where_it_enters(person_id):
    with pytest.raises(InvalidPersonId):
        ask("Ada", person_id=person_id)


@given(st.lists(st.text(alphabet="aAbéE!-_ ’łØ王", min_size=1, max_size=4), max_size=6))
def test_nobody_ever_replaces_somebody_of_another_name(names):
    rows: dict[str, str] = {}
    for name in names:
        others = [known(person_id, other) for person_id, other in rows.items()]
        try:
            person_id = ask(name, *others)
        except (Clash, InvalidName):
            continue
        assert person_id not in rows
        rows[person_id] = name
