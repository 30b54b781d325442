"""The base of every error that the device part shows to a person."""

from __future__ import annotations


class DeviceError(Exception):
    """Something the person at the device has to know: one line, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message
