"""Numbers are kept as DynamoDB keeps them, and requests that have none of the others are let be."""

from __future__ import annotations

import json

import pytest

from localstack_image_functions.canonical_numbers import (
    canonical,
    has_others,
    with_canonical_numbers,
)

SAME = ["0", "7", "-7", "120", "0.5", "-12.25", "100000000000000000000.1"]
OTHERS = {
    "007": "7", "-0": "0", "-0.0": "0", "0.0": "0", "1.50": "1.5", "1.": "1", "+3": "3",
    ".5": "0.5", "-.5": "-0.5", "1E3": "1000", "1e-3": "0.001", "1.5E1": "15", "-00.10": "-0.1",
    "1E+20": f"1{0:020d}",
}  # fmt: skip


@pytest.mark.parametrize("number", SAME)
def test_what_is_canonical_is_let_be(number: str) -> None:
    assert canonical(number) == number
    for value in ({"N": number}, {"NS": ["1", number]}):
        assert not has_others(json.dumps({"Item": {"e": {"S": "1.0e0"}, "n": value}}).encode())


@pytest.mark.parametrize(("number", "kept"), OTHERS.items())
def test_another_is_seen_and_made_so(number: str, kept: str) -> None:
    assert canonical(number) == kept
    for value, made in (({"N": number}, {"N": kept}), ({"NS": ["1", number]}, {"NS": ["1", kept]})):
        asked = {"Item": {"l": {"L": [{"M": {"n": value}}]}, "N": {"S": number}}}
        assert has_others(json.dumps(asked).encode())
        made_of = {"Item": {"l": {"L": [{"M": {"n": made}}]}, "N": {"S": number}}}
        assert with_canonical_numbers(asked) == made_of
