import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.results import Box, Face, Identity, InvalidResult, Person, Result, Status

ADA = Person("ada-lovelace", "Ada Lovelace", "Mathematics", "graduate")


def result() -> Result:
    online = Identity(Status.RECOGNIZED, 0.93, 0.41, ADA)
    custom = Identity(Status.UNKNOWN, 0.52)
    face = Face(
        Box(10, 110, 120, 20), 0.98, 110, 210.5, 3, Status.RECOGNIZED, ADA.person_id, online,
        custom, False,
    )  # fmt: skip
    return Result(
        clip_id="c", device_id="lab", key="clips/lab/c.h264", status=Status.RECOGNIZED,
        capture_start_ms=1, capture_end_ms=501, sequence=0, faces=(face,), frames_decoded=3,
        stages_ms={"decode": 3.1},
    )  # fmt: skip


def test_result_survives_the_queue():
    assert Result.from_json(result().to_json()) == result()


def test_a_name_travels_in_its_own_letters():
    assert (
        '"key":"clips/lab/Øyvind.h264"' in replace(result(), key="clips/lab/Øyvind.h264").to_json()
    )


def test_result_of_another_schema_version_says_which():
    fields = json.loads(result().to_json()) | {"schema": "facelab.result/2"}
    with pytest.raises(InvalidResult, match=r"facelab\.result/2"):
        Result.from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '"x"', '{"schema":"facelab.result/1"}'])
def test_message_that_is_no_result(text):
    with pytest.raises(InvalidResult):
        Result.from_json(text)


def test_face_that_is_no_object_is_refused():
    fields = json.loads(result().to_json()) | {"faces": ["x"]}
    with pytest.raises(InvalidResult):
        Result.from_json(json.dumps(fields))


def test_unknown_field_is_refused_rather_than_dropped():
    fields = json.loads(result().to_json()) | {"extra": 1}
    with pytest.raises(InvalidResult, match="extra"):
        Result.from_json(json.dumps(fields))


def changed(**fields) -> str:
    return json.dumps(json.loads(result().to_json()) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"clip_id": None},
        {"clip_id": 7},
        {"clip_id": ""},
        {"clip_id": "x" * 1025},
        {"clip_id": "\ud800"},
        {"device_id": ["lab"]},
        {"device_id": "../lab"},
        {"capture_end_ms": 10**400},
        {"capture_end_ms": -1},
        {"capture_end_ms": 1.5},
        {"capture_start_ms": True},
        {"reason": "x" * 5000},
        {"stages_ms": {"decode": "fast"}},
        {"stages_ms": [1]},
        {"cold_start": "no"},
        {"status": ["recognized"]},
        {"status": "known"},
        {"faces": {}},
        {"faces": [{}] * 1001},
        {"models": {"gallery": None}},
        {"sequence": 2**63},
    ],
    ids=lambda fields: ascii(fields)[:40],
)
def test_a_field_of_another_type_or_size_is_refused(fields):
    with pytest.raises(InvalidResult) as raised:
        Result.from_json(changed(**fields))
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "NaN", "9" * 5000, '"' + "x" * 2_000_000 + '"'],
    ids=["deep list", "deep object", "NaN", "digits", "huge"],
)
def test_a_message_too_deep_or_too_large_is_refused(text):
    with pytest.raises(InvalidResult):
        Result.from_json(text)


def test_not_a_number_is_no_score():
    with pytest.raises(InvalidResult):
        Result.from_json(result().to_json().replace("0.93", "NaN"))
    with pytest.raises(InvalidResult):
        Result.from_json(result().to_json().replace("0.93", "1e999"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(Result.__dataclass_fields__)), JSON)
def test_any_value_in_any_field_is_a_result_or_a_refusal(name, value):
    with suppress(InvalidResult):
        read = Result.from_json(changed(**{name: value}))
        assert Result.from_json(read.to_json()) == read


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_a_result_or_a_refusal(text):
    with suppress(InvalidResult):
        Result.from_json(text)
