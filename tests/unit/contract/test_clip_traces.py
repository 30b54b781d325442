"""A clip's trace: made of its name, carried in its metadata, refused where it is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from contract.clips import ClipKey
from contract.traces import METADATA, ClipTrace, are_traced

CAPTURED_MS = 1_795_929_834_181


def of_a_clip(device_id: str = "pi-01") -> ClipTrace:
    key = ClipKey("pi-01", "2026-11-29", "20261129T215719155Z-000028-000166")
    return ClipTrace.of(device_id, key.clip_id)


def test_it_is_made_of_the_name_alone_so_that_a_device_that_starts_anew_has_the_same():
    assert of_a_clip() == of_a_clip()
    assert of_a_clip("pi-02").trace_id != of_a_clip().trace_id
    assert re.fullmatch(r"[0-9a-f]{32}", of_a_clip().trace_id)
    assert re.fullmatch(r"[0-9a-f]{16}", of_a_clip().span_id)


def test_it_begins_with_when_the_clip_was_recorded_as_xray_wants_it():
    """X-Ray refuses a trace whose id says another month."""
    began = datetime(2026, 11, 29, 21, 57, 19, tzinfo=UTC)
    kind, time_hex, rest = of_a_clip().xray_id.split("-")
    assert (kind, int(time_hex, 16), len(rest)) == ("1", int(began.timestamp()), 24)
    key = ClipKey.new("pi-01", CAPTURED_MS, 1)
    assert int(ClipTrace.of("pi-01", key.clip_id).trace_id[:8], 16) == CAPTURED_MS // 1000


@pytest.mark.parametrize(
    "name", ["by hand", "20261329T215719155Z-a", "18001129T215719155Z-a", "29991129T215719155Z-a",
             "٢0261129T215719155Z-a", "\udcff"]
)  # fmt: skip
def test_a_name_that_tells_no_time_has_one_too(name):
    assert re.fullmatch(r"[0-9a-f]{32}", ClipTrace.of("lab", name).trace_id)


def test_it_travels_as_w3c_writes_it():
    found = of_a_clip()
    assert found.to_s3() == {METADATA: f"00-{found.trace_id}-{found.span_id}-01"}
    assert ClipTrace.from_s3(found.to_s3() | {"sequence": "1"}) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "00", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'1' * 16}-01", f"00-{'A' * 32}-{'1' * 16}-01",
        f"00-{'1' * 31}-{'1' * 16}-01", f"00-{'1' * 32}-{'1' * 16}-01\n",
    ],
)  # fmt: skip
def test_what_is_none_is_passed_over(text):
    assert ClipTrace.from_s3({METADATA: text}) is None
    assert ClipTrace.from_s3({}) is None


def test_off_is_the_one_word_that_switches_them_off():
    assert not are_traced("off")
    for setting in (None, "", "/mnt/traces"):
        assert are_traced(setting)
