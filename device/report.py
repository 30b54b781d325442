"""A result in the words of the course report that this lab grew from."""

from __future__ import annotations

from contract.results import Face, Identity, Result, Status
from device.latency import Latency

LINE = "-" * 40


def wording(number: int, result: Result, latency: Latency | None) -> list[str]:
    """The lines for the `number`th result that is shown (1 is the first)."""
    return [LINE, *_findings(number, result), *_latency(latency), LINE]


def _findings(number: int, result: Result) -> list[str]:
    reason = f": {result.reason}" if result.reason else ""
    if result.status is Status.REJECTED:
        return [f"Clip {number} was rejected{reason or ': no reason was given'}"]
    if not result.faces:
        if result.status is Status.LOW_QUALITY:
            return [f"Too poor a picture to recognize anyone in clip {number}{reason}"]
        return [f"No face detected in clip {number}{reason}."]
    return [line for face in result.faces for line in _face(number, face)]


def _face(number: int, face: Face) -> list[str]:
    return [
        f"The {number} person detected With original provided model: {_identity(face.custom)}",
        f"The {number} person detected With Online model: {_identity(face.online)}",
    ]


def _identity(identity: Identity) -> str:
    person = identity.person
    if person is not None:
        return f"{person.name}, {person.major}, {person.year}"
    if identity.status is Status.LOW_QUALITY:
        return "unknown person (the face is too small, dark or blurred)"
    return "unknown person"


def _latency(latency: Latency | None) -> list[str]:
    if latency is None:
        return ["Latency: unknown (the clip carries no capture time)"]
    return [
        f"Latency: {latency.clip_end / 1000:.2f} seconds.",
        f"From capture start: {latency.capture_start / 1000:.2f} seconds.",
    ]
