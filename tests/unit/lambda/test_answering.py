"""The function's flow on in-memory stores: one result per clip, whatever happens."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from answering import MAX_CLIP_BYTES, AnsweringService, Invocation
from contract.clips import ClipKey
from contract.results import Box, Person, Result, Status
from events import ClipRef
from recognition import ClipRejected
from stores import Claim, ClipGone, ClipInProgress, StoredClip

ADA = Person("ada", "Ada Lovelace", "Mathematics", "graduate")
METADATA = {"capture-start-ms": "1000", "capture-end-ms": "1500", "sequence": "4"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


@dataclass
class Clips:
    objects: dict[str, StoredClip]

    def fetch(self, bucket, object_key):
        if object_key not in self.objects:
            raise ClipGone(object_key)
        return self.objects[object_key]


@dataclass
class Recognizer:
    """Knows one person per clip content; `rejects` names content that is no clip."""

    rejects: bytes = b"garbage"

    def recognize(self, clip):
        if clip == self.rejects:
            raise ClipRejected("not H.264")
        verdict = SimpleNamespace(status="recognized", person_id="ada", score=0.9, distance=0.4)
        unsure = SimpleNamespace(status="unknown", person_id=None, score=0.3, distance=None)
        face = SimpleNamespace(
            box=Box(1, 2, 3, 0), detection_score=0.9,
            size_px=100, blur=50.0, frames_used=2, status="recognized", person_id="ada",
            online=verdict, custom=unsure, agree=False,
        )  # fmt: skip
        faces = () if clip == b"nobody" else (face,)
        return SimpleNamespace(frames_decoded=2, faces=faces, stages_ms={"decode": 1.0})

    def versions(self):
        return {"gallery": "1"}


@dataclass
class People:
    rows: dict[str, Person]

    def look_up(self, person_ids):
        return {one: self.rows[one] for one in person_ids if one in self.rows}


@dataclass
class Ledger:
    rows: dict[str, tuple[str, str]] = field(default_factory=dict)
    people: dict[str, set[str]] = field(default_factory=dict)

    def claim(self, key, request_id, lease_s):
        status, owner = self.rows.get(str(key), ("", ""))
        if status == "answered":
            return Claim.ANSWERED
        if status == "started" and owner != request_id:
            raise ClipInProgress(str(key))
        self.rows[str(key)] = ("started", request_id)
        return Claim.OURS

    def answered(self, key, object_key, person_ids):
        self.rows[str(key)] = ("answered", "")
        self.people[object_key] = set(person_ids)


@dataclass
class Outbox:
    sent: list[Result] = field(default_factory=list)
    killed_before: bool = False

    def send(self, result):
        if self.killed_before:
            self.killed_before = False
            raise Killed
        self.sent.append(result)


@dataclass
class World:
    clips: Clips
    people: People = field(default_factory=lambda: People({"ada": ADA}))
    ledger: Ledger = field(default_factory=Ledger)
    outbox: Outbox = field(default_factory=Outbox)

    def answer(self, ref, request_id="r1", cold_start=False):
        service = AnsweringService(self.clips, Recognizer(), self.people, self.ledger, self.outbox)
        return service.answer(ref, Invocation(request_id, 30.0, cold_start, 800.0))


def clip(data: bytes = b"ada", metadata: dict | None = None) -> tuple[World, ClipRef]:
    key = ClipKey("lab", "2026-11-22", "c1")
    stored = StoredClip(data, METADATA if metadata is None else metadata)
    return World(Clips({str(key): stored})), ClipRef("bucket", str(key), key, len(data))


def test_known_person_is_looked_up_and_sent_once():
    world, ref = clip()
    world.answer(ref, cold_start=True)
    (sent,) = world.outbox.sent
    assert sent.status is Status.RECOGNIZED
    assert sent.faces[0].online.person == ADA
    assert sent.faces[0].custom.status is Status.UNKNOWN
    assert (sent.capture_start_ms, sent.capture_end_ms, sent.sequence) == (1000, 1500, 4)
    assert (sent.cold_start, sent.init_ms) == (True, 800.0)
    assert world.ledger.people == {ref.object_key: {"ada"}}
    assert {"claim", "fetch", "recognize", "look_up", "decode"} <= sent.stages_ms.keys()


def test_no_face_is_an_answer_too():
    world, ref = clip(b"nobody")
    assert world.answer(ref).status is Status.NO_FACE


def test_clip_that_is_no_video_is_rejected_with_its_reason():
    world, ref = clip(b"garbage")
    world.answer(ref)
    (sent,) = world.outbox.sent
    assert (sent.status, sent.reason) == (Status.REJECTED, "not H.264")
    assert sent.capture_end_ms == 1500


def test_huge_clip_is_rejected_without_being_read():
    world, ref = clip()
    world.clips.objects.clear()
    huge = ClipRef(ref.bucket, ref.object_key, ref.key, MAX_CLIP_BYTES + 1)
    assert world.answer(huge).reason.startswith("too large")


def test_clip_deleted_before_the_read_is_rejected():
    world, ref = clip()
    world.clips.objects.clear()
    assert world.answer(ref).reason.startswith("gone")


def test_clip_dropped_by_hand_carries_no_times():
    world, ref = clip(metadata={})
    assert world.answer(ref).capture_end_ms is None


def test_broken_metadata_costs_the_times_not_the_answer():
    world, ref = clip(metadata={"capture-start-ms": "soon"})
    result = world.answer(ref)
    assert (result.status, result.capture_start_ms) == (Status.RECOGNIZED, None)


def test_person_removed_between_recognition_and_look_up():
    world, ref = clip()
    world.people.rows.clear()
    result = world.answer(ref)
    assert result.status is Status.UNKNOWN
    assert (result.faces[0].person_id, result.faces[0].online.person) == (None, None)


def test_repeated_event_is_answered_once():
    world, ref = clip()
    world.answer(ref, "r1")
    assert world.answer(ref, "r2") is None
    assert len(world.outbox.sent) == 1


def test_function_killed_before_the_send_answers_on_the_retry():
    world, ref = clip()
    world.outbox.killed_before = True
    with pytest.raises(Killed):
        world.answer(ref, "r1")
    assert not world.outbox.sent
    assert world.answer(ref, "r1").status is Status.RECOGNIZED


def test_rival_invocation_does_not_answer_twice():
    world, ref = clip()
    world.ledger.claim(ref.key, "r1", 30)
    with pytest.raises(ClipInProgress):
        world.answer(ref, "r2")
    assert not world.outbox.sent
