import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.people import (
    PERSON_ID,
    InvalidName,
    InvalidPersonId,
    check_person_id,
    clean_name,
    name_key,
    person_id_of,
)


@pytest.mark.parametrize(
    ("name", "person_id"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("ada-lovelace", "ada-lovelace"),
        ("George_W_Bush", "george-w-bush"),
        ("s1", "s1"),
        ("  Ada \t Lovelace\n", "ada-lovelace"),
        ("ADA lovelace", "ada-lovelace"),
    ],
)
def test_plain_name_is_its_own_id(name, person_id):
    assert person_id_of(name) == person_id


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("Zoë O'Neil", "zoe-o-neil-"),
        ("Łukasz", "lukasz-"),
        ("Øyvind", "oyvind-"),
        ("José", "jose-"),
        ("Alex!", "alex-"),
        ("../../etc/passwd", "etc-passwd-"),
        ("王小明", "person-"),
        ("con", "con-"),
        ("x" * 150, "xxx"),
    ],
)
def test_name_that_the_alphabet_loses_something_of_reads_well_and_is_an_id_of_its_own(name, begins):
    person_id = person_id_of(name)
    assert person_id.startswith(begins)
    assert check_person_id(person_id) == person_id
    assert person_id != begins.strip("-")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Alex", "Alex!"), ("José", "Jose"), ("Łukasz", "ukasz"), ("Øyvind", "yvind"),
     ("王小明", "李四"), ("Jürgen", "Jurgen"), ("A.B", "A B"), ("Ян", "Jan")],
)  # fmt: skip
def test_two_names_never_become_one_id(one, other):
    assert person_id_of(one) != person_id_of(other)


def test_name_typed_on_a_mac_is_the_one_typed_on_linux():
    composed, decomposed = "José Núñez", unicodedata.normalize("NFD", "José Núñez")
    assert composed != decomposed
    assert person_id_of(composed) == person_id_of(decomposed)
    assert name_key(" JOSÉ   NÚÑEZ ") == name_key(decomposed)


def test_invisible_characters_of_a_pasted_name_make_no_other_person():
    assert name_key("\ufeffAda\u200b Lovelace\u00a0") == name_key("Ada Lovelace")


@pytest.mark.parametrize("name", ["", " ", "?!", "!!!", "..", "/", "\u200b", "a" * 201])
def test_name_that_tells_nobody_is_refused(name):
    with pytest.raises(InvalidName):
        person_id_of(name)


@pytest.mark.parametrize("name", ["Ada\x1b[31m", "Ada\x00", "\u202eadA", "Ada\udc80"])
def test_name_that_a_terminal_would_obey_is_refused(name):
    with pytest.raises(InvalidName):
        clean_name(name)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "/", "../x", "/etc", "a/b", "A", "a b", "-a", "a-", "a\n", "nul",
             "a" * 65, "é", "a\x00"]
)  # fmt: skip
def test_what_could_leave_its_folder_is_no_person_id(text):
    with pytest.raises(InvalidPersonId):
        check_person_id(text)


@given(st.text())
@example("ß")
@example("ŉ")
def test_an_id_is_safe_stable_and_the_same_for_all_spellings(name):
    try:
        person_id = person_id_of(name)
    except InvalidName:
        return
    assert PERSON_ID.fullmatch(person_id)
    assert person_id_of(person_id) == person_id
    for form in ("NFC", "NFD"):
        assert person_id_of(unicodedata.normalize(form, f"  {name} ")) == person_id
    assert name_key(name_key(name)) == name_key(name)
