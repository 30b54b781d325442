"""Packages that one kind of test needs, beside the lab's environment, from their own lock."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from scripts.setup import make_tools, only_one, run


def install_beside(lock: Path, folder: Path) -> None:
    """Put what `lock` names into `folder`, which belongs on the import path then; once.

    Raises
    ------
    SetupError
        When a package can't be had for this machine.
    """
    stamp = folder / ".facelab-stamp"
    with only_one():
        if stamp.exists() and stamp.read_text() == lock.read_text():
            return
        shutil.rmtree(folder, ignore_errors=True)
        install = ("pip", "install", "-q", "--python", sys.executable, "--target", folder)
        run(make_tools(), *install, "--no-deps", "--require-hashes", "-r", lock)
        stamp.write_text(lock.read_text())
