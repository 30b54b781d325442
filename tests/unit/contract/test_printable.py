"""What strangers write stays one line and moves no cursor."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.printable import json_line, json_text, printable, printable_lines

ANYTHING = st.text(st.characters(), max_size=40)  # lone surrogates included


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada\nThe 2 person detected: Eve", r"Ada\nThe 2 person detected: Eve"),
        ("\x1b[2K\x1b[1AEve", r"\x1b[2K\x1b[1AEve"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x08", r"a\rb\x08"),
        ("Ada\u202eevE", r"Ada\u202eevE"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("José Øyvind 王伟 \N{WAVING HAND SIGN}", "José Øyvind 王伟 \N{WAVING HAND SIGN}"),
    ],
)
def test_escape_sequences_and_line_feeds_are_shown_not_obeyed(text, shown):
    assert printable(text) == shown


def test_no_character_that_is_not_seen_is_printed_but_the_two_joiners():
    seen = {chr(code) for code in range(sys.maxunicode + 1) if printable(chr(code)) == chr(code)}
    bad = {one for one in seen if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert bad == {"\u200c", "\u200d"}


@given(ANYTHING)
def test_whatever_a_name_holds_it_is_one_harmless_line(text):
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)


@given(ANYTHING)
def test_json_is_one_harmless_line_and_the_same_value(text):
    line = json_line({"name": text})
    line.encode()
    assert len(line.splitlines()) == 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
    assert json.loads(line) == {"name": text}


@given(ANYTHING)
def test_indented_json_is_as_harmless_and_the_same_value(text):
    shown = json_text({"name": text, "list": [text]})
    shown.encode()
    assert len(shown.splitlines()) == 6
    assert json.loads(shown) == {"name": text, "list": [text]}


def test_json_is_written_for_people_sorted_indented_and_in_their_letters():
    assert json_text({"b": "é", "a": [1]}) == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}'
    assert json_line({"b": "é", "a": [1]}) == '{"b":"é","a":[1]}'


def test_several_lines_stay_several_lines_and_columns_stay_columns():
    text = "START\tRequestId: 1\nAda\x1b[2K\rEve\n"
    assert printable_lines(text) == "START   RequestId: 1\nAda\\x1b[2K\\rEve\n"
