"""What a Dockerfile can be refused for; every refusal names its line."""

from __future__ import annotations

from scripts.errors import LabError


class DockerfileRefused(LabError):
    """A Dockerfile says what can't be read, or what a process can't do. `line` counts from 1."""

    def __init__(self, line: int, why: str, hint: str = ""):
        super().__init__(f"Dockerfile:{line}: {why}", hint)
        self.line = line
