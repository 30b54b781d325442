"""Make the training environment, `build/env/training`, from the hash-checked locks.

Run with any Python >= 3.11; it needs nothing but the standard library. A second run is a
no-op of milliseconds. torch comes as its CPU build where pip finds one (`PIP_FIND_LINKS`,
or pip's find-links setting), else from PyPI, which on Linux brings CUDA along.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.txt"
TORCH_CPU_LOCK = HERE / "requirements-torch-cpu.txt"
TORCH_LOCK = HERE / "requirements-torch.txt"
DEFAULT = HERE.parent / "build" / "env" / "training"
STAMP = ".facelab-lock"


class SetUpFailed(Exception):
    """The environment could not be made; the message says which step failed and what to do."""


def is_ready(environment: Path, python: str = sys.executable) -> bool:
    """Whether `environment` was made completely, by `python`, from the locks as they are now."""
    stamp = environment / STAMP
    return stamp.is_file() and stamp.read_text() == _fingerprint(environment, python)


def create(environment: Path, python: str = sys.executable) -> None:
    """Make `environment` with `python`, replacing one that is stale or half made.

    Raises
    ------
    SetUpFailed
        When Python's venv module or pip fails.
    """
    (environment / STAMP).unlink(missing_ok=True)
    _step("new environment (some seconds)", [python, "-m", "venv", "--clear", str(environment)])
    ours = str(environment / "bin" / "python")
    pip = [ours, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    pip += ["--only-binary", ":all:", "--disable-pip-version-check", "-r"]
    _step("packages (about half a minute)", [*pip, str(LOCK)])
    try:
        torch = [*pip, str(TORCH_CPU_LOCK)]
        _step("torch, CPU build (about half a minute)", torch, expected_to_work=False)
    except SetUpFailed:
        print(
            "training: no CPU build of torch for this machine and Python in pip's find-links; "
            "taking PyPI's. On Linux that is 3 GB of downloads with CUDA: training/README.md "
            "tells how to avoid it.",
            flush=True,
        )
        _step("torch from PyPI (minutes)", [*pip, str(TORCH_LOCK)])
    _step(
        "first import (about ten seconds)",
        [ours, "-c", "import torch, onnxruntime, cv2, av, matplotlib"],
    )
    _find_our_packages(environment)
    (environment / STAMP).write_text(_fingerprint(environment, python))


def _find_our_packages(environment: Path) -> None:
    """Let `training/<tool>.py` start as a plain file: the source roots come along by themselves."""
    (packages,) = environment.glob("lib/python3.*/site-packages")
    roots = (HERE.parent, HERE.parent / "lambda")
    (packages / "facelab.pth").write_text("".join(f"{root}\n" for root in roots))


def _fingerprint(environment: Path, python: str) -> str:
    """Changes with a lock, the interpreter, and the folder: environments can't be moved."""
    said = [f"{environment.resolve()}\n{Path(python).resolve()}\n{sys.version}".encode()]
    locks = (LOCK, TORCH_CPU_LOCK, TORCH_LOCK)
    return hashlib.sha256(b"".join([*said, *(lock.read_bytes() for lock in locks)])).hexdigest()


def _step(what: str, command: list[str], *, expected_to_work: bool = True) -> None:
    print(f"training: {what} …", flush=True)
    began = time.monotonic()
    errors = None if expected_to_work else subprocess.DEVNULL
    if subprocess.run(command, check=False, stderr=errors).returncode:
        raise SetUpFailed(
            f"{what} failed (see above). Run it again when the cause is gone: {' '.join(command)}"
        )
    print(f"training: {what}: {time.monotonic() - began:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training/setup_environment.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--environment", type=Path, default=DEFAULT, help="default: %(default)s")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter to build it with (>= 3.11)"
    )
    options = parser.parse_args(arguments)
    if is_ready(options.environment, options.python):
        return 0
    try:
        create(options.environment, options.python)
    except SetUpFailed as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
