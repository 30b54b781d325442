"""Results as the function would send them."""

from __future__ import annotations

from contract.clips import ClipKey, ClipMetadata
from contract.results import Box, Face, Identity, Person, Result, Status
from tests.fakes.cloud import FakeCloud, StoredObject

ADA = Person("ada-lovelace", "Ada Lovelace", "Mathematics", "1835")
ALAN = Person("alan-turing", "Alan Turing", "Logic", "1938")


def identity(person: Person | None, status: Status | None = None) -> Identity:
    default = Status.RECOGNIZED if person else Status.UNKNOWN
    return Identity(status or default, 0.9 if person else 0.3, None, person)


def face(custom: Person | None, online: Person | None, status: Status | None = None) -> Face:
    agreed = custom if custom == online else None
    return Face(
        box=Box(10, 90, 90, 10),
        detection_score=1.0,
        size_px=80,
        blur=200.0,
        frames_used=3,
        status=status or (Status.RECOGNIZED if agreed else Status.UNKNOWN),
        person_id=agreed.person_id if agreed else None,
        online=identity(online, status),
        custom=identity(custom, status),
        agree=custom == online,
    )


def result(
    clip_id: str, *faces: Face, status: Status | None = None, end_ms: int | None = 1_000, **more
) -> Result:
    found = faces[0].status if faces else Status.NO_FACE
    return Result(
        clip_id=clip_id,
        device_id=more.pop("device_id", "lab"),
        key=f"clips/lab/2026-11-22/{clip_id}.h264",
        status=status or found,
        capture_start_ms=None if end_ms is None else end_ms - 500,
        capture_end_ms=end_ms,
        faces=faces,
        **more,
    )


def answer_each_clip(cloud: FakeCloud, stored: StoredObject) -> None:
    """As `on_put` of a fake cloud: the function answers with one result, no face."""
    key = ClipKey.parse(stored.key)
    metadata = ClipMetadata.from_s3(stored.metadata)
    times = (metadata.capture_start_ms, metadata.capture_end_ms, metadata.sequence)
    answer = Result(key.clip_id, key.device_id, stored.key, Status.NO_FACE, None, *times)
    cloud.send(f"facelab-results-{key.device_id}", answer.to_json())
