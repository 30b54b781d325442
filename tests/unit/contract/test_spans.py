"""A span is read back as it was written, and nothing that is no span is taken for one."""

from __future__ import annotations

import pytest

from contract.spans import MAX_NAME, Span

SPAN = Span("camera", "store", 1_700_000_000_000.25, 12.5, "clip", True)


def test_a_span_is_read_back_as_it_was_written():
    assert Span.from_fields("camera", SPAN.to_fields()) == SPAN


def test_what_is_empty_is_not_written():
    assert Span("camera", "store", 1.006, 2.014).to_fields() == {
        "name": "store", "start_ms": 1.01, "duration_ms": 2.01,
    }  # fmt: skip
    assert Span.from_fields("camera", {"name": "a", "start_ms": 0, "duration_ms": 0}) == Span(
        "camera", "a", 0, 0
    )


def test_a_span_ends_its_duration_after_its_start():
    assert Span("camera", "store", 100, 5).end_ms == 105


@pytest.mark.parametrize("name", ["name", "start_ms", "duration_ms"])
def test_a_span_without_its_name_or_a_time_is_none(name):
    fields = SPAN.to_fields()
    del fields[name]
    assert Span.from_fields("camera", fields) is None


@pytest.mark.parametrize("line", [None, [], "name", 7])
def test_a_line_that_is_no_object_is_no_span(line):
    assert Span.from_fields("camera", line) is None


@pytest.mark.parametrize("name", ["name", "parent"])
def test_a_name_is_a_text_of_bounded_length(name):
    fields = SPAN.to_fields()
    assert Span.from_fields("camera", fields | {name: "x" * MAX_NAME}) is not None
    for bad in ("x" * (MAX_NAME + 1), 7, None, ["a"]):
        assert Span.from_fields("camera", fields | {name: bad}) is None


@pytest.mark.parametrize("name", ["start_ms", "duration_ms"])
def test_a_time_is_a_number_of_this_age_of_the_world(name):
    fields = SPAN.to_fields()
    for good in (0, 0.5, 999_999_999_999_999):
        assert Span.from_fields("camera", fields | {name: good}) is not None
    for bad in (-0.5, 10**15, float("nan"), float("inf"), True, "5", None):
        assert Span.from_fields("camera", fields | {name: bad}) is None


def test_only_true_itself_says_summed():
    assert not Span.from_fields("camera", SPAN.to_fields() | {"summed": 1}).summed
