"""Limits hold to the last character: as much as allowed is taken, one more is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from contract.clips import (
    MAX_KEY_BYTES,
    MAX_SEQUENCE,
    MAX_TIME_MS,
    ClipKey,
    ClipMetadata,
    InvalidClipKey,
    InvalidClipMetadata,
    InvalidClipName,
)
from contract.decoding import (
    MAX_DOCUMENT_CHARS,
    MAX_INTEGER,
    MAX_ITEMS,
    MAX_TEXT_CHARS,
    MalformedDocument,
    decode,
    parse,
)
from contract.people import MAX_NAME_CHARS, InvalidName, clean_name
from contract.results import InvalidResult, Result, Status, clip_status


def test_a_key_may_be_as_long_as_s3_takes_it():
    beginning = "clips/lab/"
    longest = beginning + "é" * ((MAX_KEY_BYTES - len(beginning) - 6) // 2) + "x.h264"
    assert len(longest.encode()) in (MAX_KEY_BYTES, MAX_KEY_BYTES - 1)
    longest = longest.replace("x.h264", "x" * (1 + MAX_KEY_BYTES - len(longest.encode())) + ".h264")
    assert len(longest.encode()) == MAX_KEY_BYTES
    assert str(ClipKey.parse(longest)) == longest
    with pytest.raises(InvalidClipKey, match="more than 1024 bytes"):
        ClipKey.parse(longest.replace("x", "xx", 1))


def test_a_file_beside_the_devices_is_nobodys():
    for key in ("clips/lab", "clips/lab.h264"):
        with pytest.raises(InvalidClipKey) as raised:
            ClipKey.parse(key)
        assert type(raised.value) is InvalidClipKey


def test_a_name_that_is_no_clips_says_which_and_whose_it_is():
    with pytest.raises(InvalidClipName, match="photo") as raised:
        ClipKey.parse("clips/lab/day/photo.jpg")
    assert raised.value.stand_in == ClipKey("lab", "day", "photo.jpg")


def test_a_clip_is_called_after_its_moment_to_the_millisecond():
    key = ClipKey.new("lab", 1_700_000_000_042, 17)
    assert key.date == "2023-11-14"
    assert key.clip_id.startswith("20231114T221320042Z-000017-")
    assert len(key.clip_id.rpartition("-")[2]) == 6


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("capture-start-ms", MAX_TIME_MS),
        ("capture-end-ms", MAX_TIME_MS),
        ("sequence", MAX_SEQUENCE),
    ],
)
def test_metadata_may_be_as_large_as_it_says(name, most):
    fields = ClipMetadata(1, 2, 3).to_s3()
    read = ClipMetadata.from_s3(fields | {name: str(most)})
    assert getattr(read, name.replace("-", "_")) == most
    with pytest.raises(InvalidClipMetadata, match=name):
        ClipMetadata.from_s3(fields | {name: str(most + 1)})


def test_a_document_may_be_as_long_as_a_queue_carries():
    assert parse("1" + " " * (MAX_DOCUMENT_CHARS - 1)) == 1
    with pytest.raises(MalformedDocument, match="at most"):
        parse("1" + " " * MAX_DOCUMENT_CHARS)


@dataclass(frozen=True)
class Inner:
    name: str


@dataclass(frozen=True)
class Document:
    text: str
    whole: int
    number: float
    items: tuple[str, ...] = ()
    table: dict[str, int] = field(default_factory=dict)
    maybe: Inner | None = None
    derived: str = field(init=False, default="ours")


FIELDS = {"text": "a", "whole": 1, "number": 0.5}


def read(**fields) -> Document:
    return decode(Document, json.dumps(FIELDS | fields))


def test_only_fields_without_a_default_must_be_there_and_none_of_ours_may():
    assert read() == Document("a", 1, 0.5)
    for name in FIELDS:
        with pytest.raises(MalformedDocument, match=f"no {name}"):
            decode(Document, json.dumps({k: v for k, v in FIELDS.items() if k != name}))
    with pytest.raises(MalformedDocument, match="unknown derived"):
        read(derived="theirs")


@pytest.mark.parametrize(
    ("name", "most", "more"),
    [
        ("text", "x" * MAX_TEXT_CHARS, "x" * (MAX_TEXT_CHARS + 1)),
        ("text", "é" * MAX_TEXT_CHARS, "é" * (MAX_TEXT_CHARS + 1)),
        ("whole", MAX_INTEGER, MAX_INTEGER + 1),
        ("whole", -MAX_INTEGER, -MAX_INTEGER - 1),
        ("number", MAX_INTEGER, 2 * MAX_INTEGER),
        ("items", ["x"] * MAX_ITEMS, ["x"] * (MAX_ITEMS + 1)),
        ("table", dict.fromkeys(map(str, range(MAX_ITEMS)), 1),
         dict.fromkeys(map(str, range(MAX_ITEMS + 1)), 1)),
        ("maybe", {"name": "n"}, {"name": 7}),
        ("maybe", None, []),
    ],
)  # fmt: skip
def test_a_field_may_be_as_large_as_the_limit(name, most, more):
    assert json.loads(json.dumps(getattr(read(**{name: most}), name), default=vars)) == most
    with pytest.raises(MalformedDocument, match=name):
        read(**{name: more})


def test_a_name_of_a_table_is_a_text_like_any_other():
    with pytest.raises(MalformedDocument):
        read(table={"x" * (MAX_TEXT_CHARS + 1): 1})


def test_a_persons_name_may_be_two_hundred_characters_long():
    assert clean_name("x" * MAX_NAME_CHARS) == "x" * MAX_NAME_CHARS
    with pytest.raises(InvalidName, match="201 characters"):
        clean_name("x" * (MAX_NAME_CHARS + 1))


@pytest.mark.parametrize(
    ("faces", "status"),
    [
        ((), Status.NO_FACE),
        ((Status.LOW_QUALITY,), Status.LOW_QUALITY),
        ((Status.LOW_QUALITY, Status.UNKNOWN), Status.UNKNOWN),
        ((Status.UNKNOWN, Status.RECOGNIZED, Status.LOW_QUALITY), Status.RECOGNIZED),
    ],
)
def test_a_clips_status_is_the_most_telling_of_its_faces(faces, status):
    assert clip_status(faces) is status


def test_an_answer_of_an_earlier_version_is_known_by_its_clip():
    result = Result("c", "lab", "clips/lab/c.h264", Status.NO_FACE)
    assert result.answer_id == "c"
    assert Result("c", "lab", "k", Status.NO_FACE, result_id="r").answer_id == "r"


@pytest.mark.parametrize("name", ["clip_id", "key"])
def test_a_result_names_its_clip_in_as_many_characters_as_a_key_has(name):
    fields = json.loads(Result("c", "lab", "clips/lab/c.h264", Status.NO_FACE).to_json())
    for length in (1, MAX_KEY_BYTES):
        assert Result.from_json(json.dumps(fields | {name: "x" * length}))
    for length in (0, MAX_KEY_BYTES + 1):
        with pytest.raises(InvalidResult, match=f"{name} is not"):
            Result.from_json(json.dumps(fields | {name: "x" * length}))


@pytest.mark.parametrize("name", ["capture_start_ms", "capture_end_ms"])
def test_a_result_s_moments_are_of_this_age_of_the_world(name):
    fields = json.loads(Result("c", "lab", "clips/lab/c.h264", Status.NO_FACE).to_json())
    for moment in (None, 0, MAX_TIME_MS):
        assert getattr(Result.from_json(json.dumps(fields | {name: moment})), name) == moment
    for moment in (-1, MAX_TIME_MS + 1):
        with pytest.raises(InvalidResult, match=name):
            Result.from_json(json.dumps(fields | {name: moment}))


def test_a_table_s_values_are_of_its_second_type():
    fields = {"text": "x", "whole": 1, "number": 1.5}
    assert decode(Document, json.dumps({**fields, "table": {"a": 1}})).table == {"a": 1}
    with pytest.raises(MalformedDocument, match="'1' is not"):
        decode(Document, json.dumps({**fields, "table": {"a": "1"}}))
    with pytest.raises(MalformedDocument, match="list is not"):
        decode(Document, json.dumps({**fields, "text": ["x"]}))


def test_a_refused_name_says_so_in_words():
    with pytest.raises(InvalidClipName) as refused:
        ClipKey.parse("clips/lab/notes.txt")
    assert str(refused.value) == "'notes.txt' is not <clip>.h264"
