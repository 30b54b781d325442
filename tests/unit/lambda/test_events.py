from events import clips_in


def s3_event(*keys: str, name: str = "ObjectCreated:Put", size: int = 10) -> dict:
    return {
        "Records": [
            {
                "eventName": name,
                "s3": {"bucket": {"name": "clips"}, "object": {"key": key, "size": size}},
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


def test_delete_event_is_passed_over():
    assert not list(clips_in(s3_event("clips/lab/d/a.h264", name="ObjectRemoved:Delete")))


def test_s3_test_event_is_passed_over():
    assert not list(clips_in({"Service": "Amazon S3", "Event": "s3:TestEvent"}))


def test_key_of_no_device_is_ignored_and_the_next_is_not():
    found = list(clips_in(s3_event("clips/Not A Device/x.h264", "clips/lab/d/a.h264")))
    assert [ref.key.clip_id for ref in found] == ["a"]
