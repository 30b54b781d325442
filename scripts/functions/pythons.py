"""Which Python a function asks for, and which of those that are here is nearest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Python:
    """An interpreter of this machine; `version` is (major, minor, patch)."""

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


# Where pyenv and uv keep what they installed, by folders with the version in their names.
KEPT = (
    ("PYENV_ROOT", ".pyenv", "versions/*"),
    ("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", "*"),
)
VERSION = re.compile(r"(?:^|-)(3)\.(\d+)\.(\d+)(?:-|$)")
NEWEST_MINOR = 20


@cache
def pythons_here() -> tuple[Python, ...]:
    """Interpreters that are installed, each version once, newest first; nothing is downloaded."""
    found = {_own().version: _own()}
    for one in (*_kept(), *_on_path()):
        found.setdefault(one.version, one)
    return tuple(found[version] for version in sorted(found, reverse=True))


def _own() -> Python:
    """What the lab itself runs on, without its virtual environment."""
    path = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    return Python(sys.version_info[:3], path if path.exists() else Path(sys.executable))


def _kept() -> Iterator[Python]:
    for variable, usual, pattern in KEPT:
        root = Path(os.environ.get(variable) or Path.home() / usual)
        for folder in sorted(root.glob(pattern)):
            match = VERSION.search(folder.name)
            program = folder / "bin" / "python3"
            if match and "pypy" not in folder.name and os.access(program, os.X_OK):
                yield Python((int(match[1]), int(match[2]), int(match[3])), program)


def _on_path() -> Iterator[Python]:
    for minor in range(NEWEST_MINOR):
        program = shutil.which(f"python3.{minor}")
        if program is None or "shims" in Path(program).parts:
            continue  # pyenv's scripts, which may lead to nothing
        ask = [program, "-I", "-S", "-c", "import sys; print(*sys.version_info[:3])"]
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            major, minor_too, patch = map(int, done.stdout.split())
            yield Python((major, minor_too, patch), Path(program))


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
