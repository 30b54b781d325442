"""Events as AWS documents them, one file each in tests/events, and what nobody should send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import ClipRef, InvalidEvent, clip_ref, clips_in
from tests.fakes.events import recorded


def s3_event(*keys: str, name: str = "ObjectCreated:Put", size: int = 10, **more) -> dict:
    return {
        "Records": [
            {
                "eventName": name,
                "s3": {"bucket": {"name": "clips"}, "object": {"key": key, "size": size, **more}},
            }
            for key in keys
        ]
    }


def test_every_record_is_a_clip():
    found = list(clips_in(s3_event("clips/lab/d/a.h264", "clips/pi-2/d/b.h264", size=42)))
    assert [(ref.key.device_id, ref.key.clip_id, ref.size_bytes) for ref in found] == [
        ("lab", "a", 42),
        ("pi-2", "b", 42),
    ]


def test_s3_key_unquote_plus():
    (ref,) = clips_in(s3_event("clips/lab/2026-11-22/a+b%2Bc%C3%BC.h264"))
    assert ref.object_key == "clips/lab/2026-11-22/a b+cü.h264"


@pytest.mark.parametrize(
    ("name", "size"), [("s3-put", 331776), ("s3-copy", 331776), ("s3-multipart", 18874368)]
)
def test_recorded_event_is_a_clip(name, size):
    (ref,) = clips_in(recorded(name))
    assert ref.bucket == "facelab-123456789012-us-east-1"
    assert ref.key.clip_id == "20261122T101530123Z-000007-a1b2c3"
    assert (ref.size_bytes, ref.version_id) == (size, "")
    assert ref.etag
    assert '"' not in ref.etag


def test_recorded_event_of_a_versioned_bucket_names_the_version():
    (ref,) = clips_in(recorded("s3-put-versioned"))
    assert ref.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6qko"


@pytest.mark.parametrize("name", ["s3-delete-marker", "s3-test-event", "sqs-s3-test-event"])
def test_recorded_event_that_asks_for_nothing(name):
    assert not list(clips_in(recorded(name)))


@pytest.mark.parametrize("said", [{"size": 0}, {"size": None}], ids=["empty", "not told"])
def test_a_clip_of_no_size_is_one(said):
    (ref,) = clips_in(s3_event("clips/lab/d/a.h264", **said))
    assert ref.size_bytes == 0


@pytest.mark.parametrize(("over", "kind"), [(0, ClipRef), (1, InvalidEvent)])
def test_a_text_may_be_as_long_as_a_key_is_form_encoded(over, kind):
    (found,) = clips_in(s3_event("clips/lab/d/a.h264", eTag="e" * (3 * 1024 + over)))
    assert isinstance(found, kind)


def test_a_key_that_s3_can_not_have_is_no_clip():
    assert clip_ref("clips", "clips/lab/d/\ud800.h264") is None


def test_s3_event_in_an_sqs_message():
    assert list(clips_in(recorded("sqs-s3-put"))) == list(clips_in(recorded("s3-put")))


def test_key_of_no_device_is_ignored_and_the_next_is_not():
    found = list(clips_in(s3_event("clips/Not A Device/x.h264", "clips/lab/d/a.h264")))
    assert [ref.key.clip_id for ref in found] == ["a"]


@pytest.mark.parametrize(
    "name",
    ["x" * 201, "y" * 1000, "é" * 400, ""],
    ids=["long", "as long as S3 takes", "two bytes each", "none at all"],
)
def test_every_h264_name_below_a_device_is_a_clip_of_it(name):
    (ref,) = clips_in(s3_event(f"clips/lab/d/{name}.h264"))
    assert (ref.key.device_id, ref.refusal) == ("lab", None)
    assert ref.key.clip_id == (name or ".h264")
    assert len(ref.row.encode()) <= 2048  # DynamoDB's limit


@pytest.mark.parametrize("name", ["film.mp4", "clip.H264", "notes.txt", "h264"])
def test_another_file_below_a_device_is_refused_by_its_name(name):
    ref = clip_ref("b", f"clips/lab/{name}")
    assert "h264" in ref.refusal
    assert ref.key.clip_id == name


@pytest.mark.parametrize("key", ["clips/lab/", "clips/lab/2026-11-22/"])
def test_a_folder_is_not_a_clip(key):
    assert clip_ref("b", key) is None


@pytest.mark.parametrize(
    "key",
    ["clips//lab/x.h264", "clips/./lab/x.h264", "clips/../lab/x.h264", "/clips/lab/x.h264",
     "clips/lab.h264", "gallery/lab/x.h264", "clips/LAB/x.h264", "clips/a\ud800/x.h264"],
)  # fmt: skip
def test_a_key_outside_every_devices_prefix_has_nobody_to_tell(key):
    assert clip_ref("b", key) is None


class TestIdentity:
    """One row in the ledger, one result id: for one content under one key."""

    def test_a_true_repeat_is_the_same(self):
        event = s3_event("clips/lab/d/a.h264", eTag="1")
        (one,), (other,) = clips_in(event), clips_in(event)
        assert (one.row, one.content_id) == (other.row, other.content_id)

    def test_it_is_that_of_earlier_versions(self):
        """Their rows say what was answered."""
        (ref,) = clips_in(s3_event("clips/lab/d/a.h264", eTag="1"))
        assert ref.row == "lab/a#e9b7467d113c92cb89185391d4389dfe"

    def test_the_same_content_stored_again_is_the_same_whatever_its_version(self):
        (one,) = clips_in(s3_event("clips/lab/d/a.h264", eTag="1", versionId="v1"))
        (other,) = clips_in(s3_event("clips/lab/d/a.h264", eTag='"1"', versionId="v2"))
        assert one.row == other.row

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (("clips/lab/2026-11-22/a.h264", "1"), ("clips/lab/2026-11-23/a.h264", "1")),
            (("clips/lab/d/a.h264", "1"), ("clips/lab/d/a.h264", "2")),
            (("clips/lab//a.h264", "1"), ("clips/lab/a.h264", "1")),
            (("clips/lab/a.h264", "1"), ("clips/pi-2/a.h264", "1")),
        ],
        ids=["another day's folder", "written over", "an empty folder name", "another device"],
    )
    def test_another_key_or_another_content_is_another(self, first, second):
        (one,), (other,) = (clips_in(s3_event(key, eTag=etag)) for key, etag in (first, second))
        assert one.row != other.row
        assert one.content_id != other.content_id


@pytest.mark.parametrize(
    "record",
    [{"eventName": "ObjectCreated:Put"}, {"eventName": 7}, None, "x", [],
     {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "clips/lab/a.h264"}}},
     {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": 5}}},
     {"eventSource": "aws:sqs", "body": "{"}, {"eventSource": "aws:sqs"}],
)  # fmt: skip
def test_a_record_that_is_not_awss_is_an_error_and_its_neighbor_is_answered(record):
    event = s3_event("clips/lab/d/a.h264")
    event["Records"].insert(0, record)
    error, ref = clips_in(event)
    assert isinstance(error, InvalidEvent)
    assert ref.key.clip_id == "a"


@pytest.mark.parametrize(
    "said",
    [
        {"size": float("inf")},  # what JSON makes of 1e400
        {"size": float("nan")},
        {"size": -1},
        {"eTag": "\ud800"},
        {"eTag": ["e"]},
        {"eTag": "e" * 10_000},
        {"versionId": {"a": 1}},
        {"versionId": "\ud800"},
    ],
    ids=lambda said: f"{said!r:.30}",
)
def test_what_no_object_can_be_is_an_error_and_its_neighbor_is_answered(said):
    event = s3_event("clips/lab/d/hand-made.h264")
    event["Records"][0]["s3"]["object"].update(said)
    event["Records"] += s3_event("clips/lab/d/a.h264")["Records"]
    error, ref = clips_in(event)
    assert isinstance(error, InvalidEvent)
    assert ref.row.startswith("lab/a#")


def test_a_bucket_without_a_name_is_an_error():
    event = s3_event("clips/lab/d/a.h264")
    event["Records"][0]["s3"]["bucket"]["name"] = ["b"]
    (error,) = clips_in(event)
    assert isinstance(error, InvalidEvent)


CHARACTERS = st.characters(exclude_categories=())
ANYTHING = st.recursive(
    # Any text: JSON may carry half a surrogate pair.
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS, max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "eventName",
                    "eventSource",
                    "body",
                    "s3",
                    "object",
                    "key",
                    "size",
                    "eTag",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING)
def test_whatever_is_sent_is_a_clip_or_an_error_and_never_a_crash(event):
    for found in clips_in(event):
        assert isinstance(found, InvalidEvent) or found.row.encode()


@given(st.text(max_size=300))
def test_every_key_below_a_device_gets_an_outcome(rest):
    ref = clip_ref("b", f"clips/lab/{rest}")
    if ref is None:
        is_text = not any("\ud800" <= each <= "\udfff" for each in rest)
        assert rest.endswith("/") or not rest or not is_text or len(rest.encode()) > 1014
    else:
        assert ref.key.device_id == "lab"
        assert ref.key.clip_id
        ref.row.encode()
