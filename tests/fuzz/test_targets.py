"""Each reader keeps its promise on good input, on mended finds, and on damage of all kinds."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import good, inputs
from tests.fuzz.targets import TARGETS

# Of hypothesis, for each target; `make fuzz` runs for as long as it is told.
EXAMPLES = int(os.environ.get("FACELAB_FUZZ_EXAMPLES", "100"))
DEAR = {"decoder": 5, "custom-model": 5, "runtime-api": 4, "message": 2, "dockerfile": 2}
NAMES = sorted(TARGETS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("Records", "requestPayload", "s3", "object", "key", "body", "faces")),
            inner,
        )
    ),
    max_leaves=12,
)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """Good input with bytes changed, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(0, min(64, len(data) - at)))
        way = draw(st.sampled_from(("change", "cut", "double", "insert", "end")))
        if way == "change":
            data[at] = draw(st.integers(0, 255))
        elif way == "cut":
            del data[at : at + length]
        elif way == "double":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 8))
        elif way == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_good_and_kept_inputs(name: str):
    for label, data in inputs(name).items():
        print(label)  # shown when one fails
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes(name: str):
    @settings(max_examples=EXAMPLES // DEAR.get(name, 1), deadline=None)
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        TARGETS[name].run(data)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_input(name: str):
    samples = st.sampled_from(sorted(good()[name].values()))

    @settings(
        max_examples=EXAMPLES // DEAR.get(name, 1),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(samples.flatmap(damaged))
    def check(data: bytes) -> None:
        TARGETS[name].run(data)

    check()


@pytest.mark.parametrize("name", ["event", "letter", "result", "message"])
def test_any_json(name: str):
    import json

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(JSON)
    def check(value: object) -> None:
        TARGETS[name].run(json.dumps(value).encode())

    check()


def test_every_target_has_good_input_that_is_taken():
    assert good().keys() == TARGETS.keys()
