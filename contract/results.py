"""The result message: exactly one for each clip, from the function to the clip's device."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from contract.clips import (
    MAX_KEY_BYTES,
    MAX_TIME_MS,
    ContractError,
    InvalidDeviceId,
    check_device_id,
)
from contract.decoding import MalformedDocument, from_value, parse

SCHEMA = "facelab.result/1"


class InvalidResult(ContractError):
    """A message that is not a result of a schema version this code knows."""


class Status(StrEnum):
    """What became of a clip, or of one face in it."""

    RECOGNIZED = "recognized"
    UNKNOWN = "unknown"
    NO_FACE = "no_face"
    LOW_QUALITY = "low_quality"
    REJECTED = "rejected"


def clip_status(faces: Iterable[Status]) -> Status:
    """A clip's status: the most telling one among the statuses of its faces."""
    found = set(faces)
    for status in (Status.RECOGNIZED, Status.UNKNOWN, Status.LOW_QUALITY):
        if status in found:
            return status
    return Status.NO_FACE


@dataclass(frozen=True)
class Person:
    """A row of the people table."""

    person_id: str
    name: str
    major: str
    year: str


@dataclass(frozen=True)
class Identity:
    """One model's answer for one face.

    `score` in [0, 1] is about the nearest person, also when that was not enough to name them:
    the online model's is a calibrated probability (how often such a guess is right when every
    other face is a stranger's), the custom model's the mean of its own over the frames.
    `distance` is L2 between embeddings at unit length, where the model has one; the recognizer
    `face_recognition_raw` gives dlib's own. `person` is set exactly when `status` is `recognized`.
    """

    status: Status
    score: float
    distance: float | None = None
    person: Person | None = None


@dataclass(frozen=True)
class Box:
    """A face's place in the frame, px, in `face_recognition`'s order (CSS)."""

    top: int
    right: int
    bottom: int
    left: int


@dataclass(frozen=True)
class Face:
    """One face, followed through the frames of a clip.

    `box` is where it was in its best frame, `size_px` the box's height there, `blur` the
    variance of the Laplacian of the aligned face (higher is sharper). `person_id` is the
    final decision: the person that the models agree on, or that one names while the other
    stays unsure; None when they name different people or nobody. `detection_score` is the
    detector's (0 where it just says face, more is surer), of `frames_used` frames the best.
    """

    box: Box
    detection_score: float
    size_px: int
    blur: float
    frames_used: int
    status: Status
    person_id: str | None
    online: Identity
    custom: Identity
    agree: bool


@dataclass(frozen=True)
class Result:
    """What the function found in one clip.

    Times are Unix milliseconds on the device's clock, None for clips that carried no
    metadata. `reason` says why a clip was rejected, or what of it was not looked at.
    `frames_seen` coded pictures are in the clip; `frames_decoded` of them were decoded and
    `frames_skipped` were not: not needed for the answer, damaged, or beyond a limit.
    `stages_ms` maps a stage of the function to its duration in milliseconds.
    `result_id` is the same in every repeat of one answer, and another for other content
    under the same key; empty in messages that an earlier version sent.
    """

    clip_id: str
    device_id: str
    key: str
    status: Status
    reason: str | None = None
    capture_start_ms: int | None = None
    capture_end_ms: int | None = None
    sequence: int | None = None
    faces: tuple[Face, ...] = ()
    frames_seen: int = 0
    frames_decoded: int = 0
    frames_skipped: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    cold_start: bool = False
    init_ms: float | None = None
    request_id: str = ""
    models: dict[str, str] = field(default_factory=dict)
    result_id: str = ""
    schema: str = SCHEMA

    @property
    def answer_id(self) -> str:
        """What makes two messages the same answer, to be shown once."""
        return self.result_id or self.clip_id

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a message. What it holds is checked: a queue is an open door.

        Raises
        ------
        InvalidResult
            When it is not JSON, of another schema, lacks or adds fields, or a field is not
            what this class says of it, in type or in size.
        """
        try:
            fields = parse(text)
            schema = fields.get("schema") if isinstance(fields, dict) else None
            if schema != SCHEMA:
                raise InvalidResult(f"schema {schema!r:.60}, this side reads {SCHEMA!r}")
            return _checked(from_value(cls, fields))
        except (MalformedDocument, InvalidDeviceId) as error:
            raise InvalidResult(f"not a result message: {error}") from error


def _checked(result: Result) -> Result:
    check_device_id(result.device_id)
    for name in ("clip_id", "key"):
        if not 0 < len(getattr(result, name)) <= MAX_KEY_BYTES:
            raise InvalidResult(f"{name} is not 1 to {MAX_KEY_BYTES} characters long")
    for name in ("capture_start_ms", "capture_end_ms"):
        moment = getattr(result, name)
        if moment is not None and not 0 <= moment <= MAX_TIME_MS:
            raise InvalidResult(f"{name} is {moment}, not 0 to {MAX_TIME_MS}")
    return result
