import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clips import (
    ClipKey,
    ClipMetadata,
    InvalidClipKey,
    InvalidClipMetadata,
    InvalidDeviceId,
    check_device_id,
)

CAPTURED_MS = 1_795_000_000_123


def test_written_key_reads_back():
    key = ClipKey.new("pi-01", CAPTURED_MS, sequence=7)
    assert ClipKey.parse(str(key)) == key


def test_clip_ids_sort_by_capture_time():
    keys = [ClipKey.new("lab", CAPTURED_MS + step, 0) for step in (0, 1, 999, 1000, 86_400_000)]
    assert sorted(keys, key=lambda key: key.clip_id) == keys


def test_same_moment_twice_gives_two_ids():
    assert ClipKey.new("lab", CAPTURED_MS, 1) != ClipKey.new("lab", CAPTURED_MS, 1)


@pytest.mark.parametrize("device_id", ["", "-pi", "pi-", "Pi", "pi_1", "pi/1", "é", "a" * 33])
def test_device_id_that_could_not_name_a_queue(device_id):
    with pytest.raises(InvalidDeviceId, match="FACELAB_DEVICE_ID"):
        check_device_id(device_id)


@pytest.mark.parametrize(
    ("key", "clip_id"),
    [
        ("clips/lab/2026-11-22/a b+c.h264", "a b+c"),
        ("clips/lab/2026-11-22/größe.h264", "größe"),
        ("clips/lab/by-hand.h264", "by-hand"),
        ("clips/lab/2026-11-22/two.dots.h264", "two.dots"),
        ("clips/lab/" + "x" * 1008 + ".h264", "x" * 1008),
    ],
)
def test_clip_dropped_by_hand_is_still_a_clip(key, clip_id):
    parsed = ClipKey.parse(key)
    assert (parsed.device_id, parsed.clip_id, str(parsed)) == ("lab", clip_id, key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "clips/",
        "clips/lab.h264",
        "clips/Not A Device/2026-11-22/x.h264",
        "clips/../secrets/x.h264",
        "gallery/lab/x.h264",
        "clips/lab/2026-11-22/x.txt",
        "clips/lab/2026-11-22/" + "é" * 501 + ".h264",
    ],
)
def test_key_that_names_no_device_or_clip(key):
    with pytest.raises(InvalidClipKey):
        ClipKey.parse(key)


def test_metadata_survives_s3():
    metadata = ClipMetadata(CAPTURED_MS, CAPTURED_MS + 500, 12)
    assert ClipMetadata.from_s3(metadata.to_s3()) == metadata


def test_object_without_metadata_has_none():
    assert ClipMetadata.from_s3({"unrelated": "x"}) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"capture-start-ms": "1"},
        {"capture-start-ms": "1", "capture-end-ms": "x", "sequence": "3"},
    ],
)
def test_half_metadata_is_refused(metadata):
    with pytest.raises(InvalidClipMetadata):
        ClipMetadata.from_s3(metadata)


@pytest.mark.parametrize("value", ["9" * 400, "9" * 17, "-1", "1_0", " 1", "1.0", "٣", "", "0x1"])
@pytest.mark.parametrize("name", ["capture-start-ms", "capture-end-ms", "sequence"])
def test_a_number_that_is_out_of_bounds_or_no_plain_number_is_refused(name, value):
    metadata = ClipMetadata(CAPTURED_MS, CAPTURED_MS + 500, 12).to_s3() | {name: value}
    with pytest.raises(InvalidClipMetadata) as raised:
        ClipMetadata.from_s3(metadata)
    assert len(str(raised.value)) < 200


@given(st.text(max_size=300))
def test_every_key_below_a_device_that_s3_takes_is_that_device_s_clip(name):
    key = f"clips/lab/{name}.h264"
    if len(key.encode()) <= 1024:
        assert ClipKey.parse(key).device_id == "lab"
