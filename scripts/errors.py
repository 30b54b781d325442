"""What every refusal of a lab command is made of."""

from __future__ import annotations


class LabError(Exception):
    """Something a person can mend: `message` says what happened, `hint` what to do."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint
