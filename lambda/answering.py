"""From a clip in S3 to exactly one result in its device's queue."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from contract.clips import ClipMetadata, InvalidClipMetadata
from contract.results import Face, Identity, Person, Result, Status, clip_status
from events import ClipRef
from ledger import Claim
from recognition import ClipRejected, Recognition, Settings, Stopwatch
from stores import ClipGone, ClipOversize, NotSent, StoredClip

LOG = logging.getLogger(__name__)
MAX_CLIP_BYTES = Settings.max_clip_bytes


class Clips(Protocol):
    def fetch(self, ref: ClipRef, max_bytes: int) -> StoredClip: ...


class Lookup(Protocol):
    def look_up(self, person_ids: Any) -> dict[str, Person]: ...


class ClaimBook(Protocol):
    def claim(self, ref: ClipRef, request_id: str, lease_s: float) -> Claim: ...
    def let_go(self, ref: ClipRef, request_id: str) -> None: ...
    def answered(self, ref: ClipRef, person_ids: Any) -> None: ...


class ResultSender(Protocol):
    def reach(self, device_id: str) -> None: ...
    def send(self, result: Result) -> None: ...


class Recognizing(Protocol):
    """Recognition with whatever gallery and custom model are current.

    `refresh` makes sure of that; it may be called beside anything but `recognize`.
    """

    def refresh(self) -> None: ...
    def recognize(self, clip: bytes) -> Recognition: ...
    def versions(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Invocation:
    """What the platform says of the running invocation."""

    request_id: str
    remaining_s: float
    cold_start: bool
    init_ms: float | None


class AnsweringService:
    """Answers clips. Every clip ends in one result, or in an error that Lambda retries."""

    def __init__(
        self,
        clips: Clips,
        recognizer: Recognizing,
        people: Lookup,
        ledger: ClaimBook,
        results: ResultSender,
    ):
        self._clips = clips
        self._recognizer = recognizer
        self._people = people
        self._ledger = ledger
        self._results = results
        self._beside = ThreadPoolExecutor(3, thread_name_prefix="beside")

    def answer(self, ref: ClipRef, invocation: Invocation) -> Result | None:
        """Answer one clip; None when it was answered or given up before, or another is at it.

        That other one ends in an answer, or is repeated by whoever called it; to fail here
        would only put a letter beside its result.

        Raises
        ------
        StoreError, botocore.exceptions.ClientError
            When the cloud failed us; nothing is lost, the event comes again.
        """
        watch = Stopwatch()
        fetching = self._start_fetch(ref)
        refreshing = self._beside.submit(self._recognizer.refresh)
        reaching = self._beside.submit(self._results.reach, ref.key.device_id)
        try:
            ref = _with_etag(ref, fetching)
            found, recognition = self._look(ref, fetching, refreshing, watch)
            reaching.result()
        finally:
            _settle(fetching, refreshing, reaching)
        result = self._claim_and_name(ref, found, recognition, invocation, watch)
        if result is not None:
            self._close(ref, result)
        return result

    def _claim_and_name(
        self,
        ref: ClipRef,
        found: Result,
        recognition: Recognition | None,
        invocation: Invocation,
        watch: Stopwatch,
    ) -> Result | None:
        """Name who was found, and send it, if the clip is ours to answer.

        The claim says that the result may be out from now on, so it comes as late as it can: a
        clip that kills the function before it ends in a letter. Names are looked up meanwhile.
        """
        claiming = self._beside.submit(
            self._ledger.claim, ref, invocation.request_id, invocation.remaining_s
        )
        try:
            result = self._name(found, recognition, watch)
            with watch.stage("claim"):  # what of it the look-up did not cover
                claim = claiming.result()
        except Exception:
            self._let_go(ref, invocation, claiming)
            raise
        if not claim.may_send:
            LOG.info("%s: %r", claim.value, ref.object_key)
            return None
        result = replace(
            result,
            cold_start=invocation.cold_start,
            init_ms=invocation.init_ms if invocation.cold_start else None,
            request_id=invocation.request_id,
            stages_ms=watch.milliseconds(),
        )
        try:
            self._results.send(result)
        except NotSent:
            self._let_go(ref, invocation, claiming)
            raise
        return result

    def _let_go(self, ref: ClipRef, invocation: Invocation, claiming: Future[Claim]) -> None:
        """Nothing was sent: without this, the clip would be tried for ever and get no letter."""
        try:
            if claiming.result() is Claim.OURS:
                self._ledger.let_go(ref, invocation.request_id)
        except Exception as error:
            LOG.warning("stays claimed: %r: %r", ref.object_key, error)

    def _start_fetch(self, ref: ClipRef) -> Future[StoredClip] | None:
        if ref.refusal or ref.size_bytes > MAX_CLIP_BYTES:
            return None
        return self._beside.submit(self._clips.fetch, ref, MAX_CLIP_BYTES)

    def _close(self, ref: ClipRef, result: Result) -> None:
        """Note the answer, after the send: who dies before it leaves a lease, not a lost clip.

        A failure here is no failure of the clip: as one, it would end in a letter beside the
        result. The row stays open; a repeat sends the same result id, which is shown once.
        """
        try:
            self._ledger.answered(ref, people_in(result))
        except Exception:
            LOG.exception("answered, but the ledger does not know: %r", ref.object_key)

    def _look(
        self,
        ref: ClipRef,
        fetching: Future[StoredClip] | None,
        refreshing: Future[None],
        watch: Stopwatch,
    ) -> tuple[Result, Recognition | None]:
        """What the clip holds, still without names; no recognition where it was rejected."""
        result = Result(
            clip_id=ref.key.clip_id,
            device_id=ref.key.device_id,
            key=ref.object_key,
            status=Status.REJECTED,
            result_id=ref.content_id,
        )
        limit = f"over {MAX_CLIP_BYTES // 2**20} MiB"
        if ref.refusal:
            return replace(result, reason=ref.refusal), None
        if fetching is None:
            return replace(result, reason=f"too large: {ref.size_bytes} bytes, {limit}"), None
        try:
            with watch.stage("fetch"):
                stored = fetching.result()
        except ClipGone as error:
            return replace(result, reason=f"gone: {error}"), None
        except ClipOversize as error:
            return replace(result, reason=f"too large: {error}, {limit}"), None
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
        with watch.stage("refresh"):
            refreshing.result()
        try:
            with watch.stage("recognize"):
                recognition = self._recognizer.recognize(stored.data)
        except ClipRejected as error:
            return replace(result, reason=str(error)), None
        watch.include(recognition.stages_ms)
        return result, recognition

    def _name(self, found: Result, recognition: Recognition | None, watch: Stopwatch) -> Result:
        if recognition is None:
            return found
        wanted = {
            verdict.person_id
            for face in recognition.faces
            for verdict in (face.online, face.custom)
            if verdict.person_id
        }
        with watch.stage("look_up"):
            people = self._people.look_up(wanted) if wanted else {}
        faces = tuple(_face(face, people) for face in recognition.faces)
        return replace(
            found,
            status=clip_status(face.status for face in faces),
            faces=faces,
            reason=recognition.reason,
            frames_seen=recognition.frames_seen,
            frames_decoded=recognition.frames_decoded,
            frames_skipped=recognition.frames_seen - recognition.frames_decoded,
            models=self._recognizer.versions(),
        )


def _with_etag(ref: ClipRef, fetching: Future[StoredClip] | None) -> ClipRef:
    """An event made by hand may not say what the object holds; the object does."""
    if ref.etag or fetching is None:
        return ref
    try:
        return replace(ref, etag=fetching.result().etag)
    except (ClipGone, ClipOversize):
        return ref


def _settle(*futures: Future[Any] | None) -> None:
    """Leave nothing running: a function is frozen between its invocations."""
    for future in futures:
        if future is not None and not future.cancel():
            future.exception()


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
