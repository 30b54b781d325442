import pytest

from contract.people import person_id_of


@pytest.mark.parametrize(
    ("name", "person_id"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("ada-lovelace", "ada-lovelace"),
        ("Zoë O'Neil", "zoe-o-neil"),
        ("George_W_Bush", "george-w-bush"),
        ("s1", "s1"),
        ("../../etc/passwd", "etc-passwd"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_name_gives_an_id_that_is_safe_as_a_folder(name, person_id):
    assert person_id_of(name) == person_id


def test_name_without_latin_letters_gets_an_id_of_its_own():
    assert person_id_of("王小明") == person_id_of("王小明") != person_id_of("李四")
    assert person_id_of("王小明").startswith("person-")
