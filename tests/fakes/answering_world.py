"""In-memory stores around the function's flow, and a clip in them."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from answering import AnsweringService, Invocation
from contract.clips import ClipKey
from contract.results import Box, Person, Result
from events import ClipRef
from ledger import Claim
from recognition import ClipRejected
from stores import ClipGone, ClipOversize, StoredClip, UnknownDevice

ADA = Person("ada", "Ada Lovelace", "Mathematics", "graduate")
METADATA = {"capture-start-ms": "1000", "capture-end-ms": "1500", "sequence": "4"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


@dataclass
class Clips:
    objects: dict[str, StoredClip]
    fetched: int = 0

    def fetch(self, ref, max_bytes):
        self.fetched += 1
        if ref.object_key not in self.objects:
            raise ClipGone("deleted before it could be read")
        stored = self.objects[ref.object_key]
        if ref.etag not in ("", stored.etag):
            raise ClipGone("written over before it could be read")
        if len(stored.data) > max_bytes:
            raise ClipOversize(f"{len(stored.data)} bytes")
        return stored


@dataclass
class Recognizer:
    """Knows one person per clip content; `rejects` names content that is no clip."""

    rejects: bytes = b"garbage"
    problem: Exception | None = None

    def refresh(self):
        if self.problem:
            raise self.problem

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
        return SimpleNamespace(
            frames_seen=15, frames_decoded=2, faces=faces, stages_ms={"decode": 1.0},
            reason="half of it was damaged",
        )  # fmt: skip

    def versions(self):
        return {"gallery": "1"}


@dataclass
class People:
    rows: dict[str, Person]
    problem: Exception | None = None

    def look_up(self, person_ids):
        if self.problem:
            raise self.problem
        return {one: self.rows[one] for one in person_ids if one in self.rows}


@dataclass
class Ledger:
    rows: dict[str, tuple[str, str]] = field(default_factory=dict)
    people: dict[str, set[str]] = field(default_factory=dict)
    problem: Exception | None = None

    def claim(self, ref, request_id, lease_s):
        status, owner = self.rows.get(ref.row, ("", ""))
        if status == "answered":
            return Claim.ANSWERED
        if status == "letter":
            return Claim.GIVEN_UP
        if status == "started" and owner != request_id:
            return Claim.IN_PROGRESS
        self.rows[ref.row] = ("started", request_id)
        return Claim.RESUMED if status else Claim.OURS

    def let_go(self, ref, request_id):
        assert self.rows.pop(ref.row) == ("started", request_id)

    def answered(self, ref, person_ids):
        if self.problem:
            raise self.problem
        self.rows[ref.row] = ("answered", "")
        self.people[ref.object_key] = set(person_ids)


@dataclass
class Outbox:
    sent: list[Result] = field(default_factory=list)
    killed_before: bool = False
    no_queue: bool = False
    problem: Exception | None = None

    def reach(self, device_id):
        if self.no_queue:
            raise UnknownDevice(device_id)

    def send(self, result):
        if self.killed_before:
            self.killed_before = False
            raise Killed
        if self.problem:
            raise self.problem
        self.sent.append(result)


@dataclass
class World:
    clips: Clips
    people: People = field(default_factory=lambda: People({"ada": ADA}))
    ledger: Ledger = field(default_factory=Ledger)
    recognizer: Recognizer = field(default_factory=Recognizer)
    outbox: Outbox = field(default_factory=Outbox)

    def answer(self, ref, request_id="r1", cold_start=False):
        service = AnsweringService(
            self.clips, self.recognizer, self.people, self.ledger, self.outbox
        )
        return service.answer(ref, Invocation(request_id, 30.0, cold_start, 800.0))


def clip(data: bytes = b"ada", metadata: dict | None = None) -> tuple[World, ClipRef]:
    key = ClipKey("lab", "2026-11-22", "c1")
    stored = StoredClip(data, METADATA if metadata is None else metadata, "e1")
    return World(Clips({str(key): stored})), ClipRef("bucket", str(key), key, len(data), "e1")
