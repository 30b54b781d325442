import json

import pytest

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
