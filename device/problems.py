"""What can be wrong between the device and the cloud, told in one line each."""

from __future__ import annotations

from cloud.causes import STRANGE, Cause, Kind, cause_of_exception
from device.errors import DeviceError

__all__ = ["Kind", "Problem", "problem_of", "strange_answer"]


class Problem(DeviceError):
    """One failed call to the cloud.

    All kinds but `refused` concern every clip alike, and pass: waiting is right. `refused`
    is S3's own refusal of the one object that was sent.
    """

    def __init__(self, kind: Kind, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind


def problem_of(error: Exception, where: str) -> Problem:
    """What an error of a call means; `where` is what was talked to."""
    cause = cause_of_exception(error)
    said = _said(error)
    return _problem(cause, where, f": {said}" if said and cause.kind in _TELL_MORE else "")


def strange_answer(where: str) -> Problem:
    """An answer that says success, but not as the service would have said it."""
    return _problem(STRANGE, where)


# Where the message names what is missing, or the kind alone says too little.
_TELL_MORE = {Kind.CREDENTIALS, Kind.DENIED, Kind.REFUSED, Kind.OTHER, Kind.BUSY}


def _problem(cause: Cause, where: str, more: str = "") -> Problem:
    return Problem(cause.kind, cause.told(where) + more, cause.hint)


def _said(error: Exception) -> str:
    """An error answer's code and message, on one short line."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return ""
    told = answer.get("Error", {})
    text = f"{told.get('Code', '')} {told.get('Message', '')}"
    return " ".join(text.split())[:300]
