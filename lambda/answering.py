"""From a clip in S3 to exactly one result in its device's queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from contract.clips import ClipMetadata, InvalidClipMetadata
from contract.results import Face, Identity, Person, Result, Status, clip_status
from events import ClipRef
from recognition import ClipRejected, Recognition
from stores import Claim, ClipGone, StoredClip

LOG = logging.getLogger(__name__)
MAX_CLIP_BYTES = 32 * 1024 * 1024


class Clips(Protocol):
    def fetch(self, bucket: str, object_key: str) -> StoredClip: ...


class Lookup(Protocol):
    def look_up(self, person_ids: Any) -> dict[str, Person]: ...


class ClaimBook(Protocol):
    def claim(self, key: Any, request_id: str, lease_s: float) -> Claim: ...
    def answered(self, key: Any, object_key: str, person_ids: Any) -> None: ...


class Outbox(Protocol):
    def send(self, result: Result) -> None: ...


class Recognizing(Protocol):
    """Recognition with whatever gallery and custom model are current."""

    def recognize(self, clip: bytes) -> Recognition: ...
    def versions(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Invocation:
    """What the platform says of the running invocation."""

    request_id: str
    remaining_s: float
    cold_start: bool
    init_ms: float | None


class Stopwatch:
    """Durations of named stages, ms."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = round((time.perf_counter() - start) * 1000, 2)


class AnsweringService:
    """Answers clips. Every clip ends in one result, or in an error that Lambda retries."""

    def __init__(
        self,
        clips: Clips,
        recognizer: Recognizing,
        people: Lookup,
        ledger: ClaimBook,
        outbox: Outbox,
    ):
        self._clips = clips
        self._recognizer = recognizer
        self._people = people
        self._ledger = ledger
        self._outbox = outbox

    def answer(self, ref: ClipRef, invocation: Invocation) -> Result | None:
        """Answer one clip; None when it was answered before.

        Raises
        ------
        StoreError, botocore.exceptions.ClientError
            When the cloud failed us; nothing is lost, the event comes again.
        """
        watch = Stopwatch()
        with watch.stage("claim"):
            claim = self._ledger.claim(ref.key, invocation.request_id, invocation.remaining_s)
        if claim is Claim.ANSWERED:
            LOG.info("already answered: %s", ref.object_key)
            return None
        result = replace(
            self._find_result(ref, watch),
            cold_start=invocation.cold_start,
            init_ms=invocation.init_ms if invocation.cold_start else None,
            request_id=invocation.request_id,
            stages_ms=watch.ms,
        )
        self._outbox.send(result)
        # Only now: a function that dies before the send leaves a lease, not a lost clip.
        self._ledger.answered(ref.key, ref.object_key, people_in(result))
        return result

    def _find_result(self, ref: ClipRef, watch: Stopwatch) -> Result:
        result = Result(
            clip_id=ref.key.clip_id,
            device_id=ref.key.device_id,
            key=ref.object_key,
            status=Status.REJECTED,
        )
        if ref.size_bytes > MAX_CLIP_BYTES:
            limit = MAX_CLIP_BYTES // 2**20
            return replace(result, reason=f"too large: {ref.size_bytes} bytes, over {limit} MiB")
        try:
            with watch.stage("fetch"):
                stored = self._clips.fetch(ref.bucket, ref.object_key)
        except ClipGone:
            return replace(result, reason="gone: deleted before it could be read")
        try:
            metadata = ClipMetadata.from_s3(stored.metadata)
        except InvalidClipMetadata as error:
            LOG.warning("%s", error)
            metadata = None
        if metadata:
            result = replace(
                result,
                capture_start_ms=metadata.capture_start_ms,
                capture_end_ms=metadata.capture_end_ms,
                sequence=metadata.sequence,
            )
        try:
            with watch.stage("recognize"):
                recognition = self._recognizer.recognize(stored.data)
        except ClipRejected as error:
            return replace(result, reason=str(error))
        watch.ms.update(recognition.stages_ms)
        with watch.stage("look_up"):
            faces = self._name(recognition)
        return replace(
            result,
            status=clip_status(face.status for face in faces),
            faces=faces,
            frames_decoded=recognition.frames_decoded,
            models=self._recognizer.versions(),
        )

    def _name(self, recognition: Recognition) -> tuple[Face, ...]:
        wanted = {
            verdict.person_id
            for face in recognition.faces
            for verdict in (face.online, face.custom)
            if verdict.person_id
        }
        people = self._people.look_up(wanted) if wanted else {}
        return tuple(_face(face, people) for face in recognition.faces)


def people_in(result: Result) -> set[str]:
    """Ids of everybody whom either model named."""
    identities = [one for face in result.faces for one in (face.online, face.custom)]
    return {identity.person.person_id for identity in identities if identity.person}


def _identity(verdict: Any, people: dict[str, Person]) -> Identity:
    person = people.get(verdict.person_id) if verdict.person_id else None
    # Somebody forgotten between recognition and look-up has no name to be shown.
    status = Status.UNKNOWN if verdict.person_id and not person else Status(verdict.status)
    return Identity(status, verdict.score, verdict.distance, person)


def _face(face: Any, people: dict[str, Person]) -> Face:
    forgotten = face.person_id is not None and face.person_id not in people
    return Face(
        box=face.box,
        detection_score=round(face.detection_score, 3),
        size_px=face.size_px,
        blur=round(face.blur, 1),
        frames_used=face.frames_used,
        status=Status.UNKNOWN if forgotten else Status(face.status),
        person_id=None if forgotten else face.person_id,
        online=_identity(face.online, people),
        custom=_identity(face.custom, people),
        agree=face.agree,
    )
