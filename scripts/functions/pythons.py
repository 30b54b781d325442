"""Which Python a function asks for, and which of those that are here is nearest."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.errors import LabError
from scripts.setup import make_tools


class NoPython(LabError):
    """This machine has no Python that a function could run on."""


@dataclass(frozen=True)
class Python:
    """An interpreter of this machine; `version` is (major, minor, patch)."""

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


@cache
def pythons_here() -> tuple[Python, ...]:
    """Interpreters that are installed, each version once, newest first; nothing is downloaded.

    Raises
    ------
    NoPython
    """
    command = [str(make_tools()), "python", "list", "--only-installed", "--output-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[tuple[int, int, int], Python] = {}
    for row in json.loads(done.stdout) if done.returncode == 0 else ():
        parts = row["version_parts"]
        version = (parts["major"], parts["minor"], parts["patch"])
        if row["implementation"] == "cpython" and version[0] == 3 and version not in found:
            found[version] = Python(version, Path(row["path"]))
    if not found:
        raise NoPython("no Python was found for functions", "`uv python install 3.12` gets one")
    return tuple(found[version] for version in sorted(found, reverse=True))


def nearest(wanted: str | None, there: Sequence[Python]) -> Python:
    """The newest patch of the version wanted, else the nearest minor version, the newer of two.

    `wanted` is `3.12`, `3` or None, for which the newest is taken.
    """
    minor = int(wanted.split(".")[1]) if wanted and "." in wanted else None
    if minor is None:
        return max(there, key=lambda one: one.version)
    return min(
        there,
        key=lambda one: (abs(one.version[1] - minor), -one.version[1], -one.version[2]),
    )


def unlike(wanted: str | None, taken: Python) -> str:
    """What to say when it is another one than was wanted; empty when it is not."""
    if wanted is None or taken.minor == wanted or "." not in wanted:
        return ""
    return (
        f"Python {wanted} is not on this machine: {taken.minor} is taken, the nearest "
        f"(`uv python install {wanted}` gets it)"
    )
