"""An environment of a function's own: packages installed once, kept by what they are made of."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.dockerfile.installs import Install
from scripts.functions.pythons import Python
from scripts.paths import BUILD, ROOT
from scripts.setup import FUNCTION, make_tools

STORE = BUILD / "env" / "functions"
LAYOUT = "2"
READY = ".ready"
# Packages that are compiled for minutes, or want libraries of a desktop: their stand-ins offer
# the same modules as wheels.
STAND_INS = {"dlib": "dlib-bin", "opencv-python": "opencv-python-headless"}
FFMPEG = "imageio-ffmpeg"
RUNTIME_PACKAGES = ("awslambdaric", "boto3")


class InstallFailed(LabError):
    """A package could not be installed; the installer's own words say which, and why."""


@dataclass(frozen=True)
class FunctionEnvironment:
    """A virtual environment, complete."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def ffmpeg(self) -> Path | None:
        """The program that the wheel brings."""
        found = self.path.glob("lib/python3*/site-packages/imageio_ffmpeg/binaries/ffmpeg-*")
        return next(found, None)


def runtime_packages(python: Python) -> tuple[str, ...]:
    """What AWS's base images and runtimes bring, in the versions that the lab's function has.

    Those want the lab's own Python; another takes what is newest for it.
    """
    if python.version[:2] != sys.version_info[:2]:
        return RUNTIME_PACKAGES
    locked = FUNCTION.lock.read_text()
    return tuple(
        f"{name}=={match[1]}"
        for name in RUNTIME_PACKAGES
        if (match := re.search(rf"^{name}==([\w.]+)", locked, re.MULTILINE))
    )


def make_environment(
    python: Python, installs: Sequence[Install], progress: Progress, store: Path = STORE
) -> FunctionEnvironment:
    """The environment with these installations: a new one, or that of an earlier time.

    Raises
    ------
    InstallFailed
    """
    facts: list[object] = [
        LAYOUT,
        python.version,
        str(python.path),
        [_content(one) for one in installs],
    ]
    facts.append(STAND_INS)
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]
    environment = FunctionEnvironment(store / key)
    store.mkdir(parents=True, exist_ok=True)
    with _only_one(store / f"{key}.lock"):
        if not (environment.path / READY).exists():
            progress(f"installing packages for Python {python.minor} (once for these versions)")
            shutil.rmtree(environment.path, ignore_errors=True)
            _make(environment, python, installs)
            (environment.path / READY).touch()
    return environment


def _content(install: Install) -> dict[str, object]:
    """An installation without its line: moving it in the Dockerfile changes nothing."""
    return {name: value for name, value in asdict(install).items() if name != "line"}


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(environment: FunctionEnvironment, python: Python, installs: Sequence[Install]) -> None:
    _uv(0, "venv", "--python", str(python.path), str(environment.path))
    for install in installs:
        with tempfile.TemporaryDirectory() as folder:
            # A function may not write byte code: without it each cold start compiles anew.
            _uv(
                install.line,
                *("pip", "install", "--compile-bytecode", "--python", str(environment.python)),
                *_arguments(install, Path(folder)),
            )


def _arguments(install: Install, folder: Path) -> Iterator[str]:
    """The installer's arguments; what a file said is written to `folder`."""
    yield from install.options
    if any("index-url" in option for option in install.options):
        # As pip does it: the best version of all indexes, not the first index that knows it.
        yield from ("--index-strategy", "unsafe-best-match")
    yield from install.names
    for option, texts in (("-r", install.requirements), ("-c", install.constraints)):
        for number, text in enumerate(texts):
            path = folder / f"{option}{number}.txt"
            path.write_text(text)
            yield from (option, str(path))
    if "--require-hashes" not in install.options:
        overrides = folder / "overrides.txt"
        overrides.write_text("".join(f"{name} ; python_version < '3'\n" for name in STAND_INS))
        yield from ("--overrides", str(overrides))
        yield from stand_ins_of(install)


def stand_ins_of(install: Install) -> Iterator[str]:
    """The stand-ins for what is asked for by name or by a package that is known to need it."""
    text = "\n".join((*install.names, *install.requirements)).lower().replace("_", "-")
    words = {re.split(r"[<>=!~\[; @]", line.strip(), maxsplit=1)[0] for line in text.splitlines()}
    needing = {"face-recognition": "dlib"}
    wanted = words | {needing[word] for word in words & needing.keys()}
    for name, other in STAND_INS.items():
        if name in wanted and other not in words:
            yield other


def _uv(line: int, *arguments: str) -> None:
    done = subprocess.run(
        [str(make_tools()), *arguments, "--quiet"],
        cwd=ROOT,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        where = f"Dockerfile:{line}: " if line else ""
        raise InstallFailed(
            f"{where}the packages could not be installed:\n{said}",
            "an older pin may have no wheel for this Python: docs/bring-your-own.md lists the "
            "usual changes",
        )
