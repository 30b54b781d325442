"""Lambda's Python runtimes for zip functions: an environment for each Python that is here."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.console import Progress
from scripts.functions.dockerfile.installs import Install
from scripts.functions.environments import make_environment, runtime_packages
from scripts.functions.pythons import pythons_here
from scripts.paths import BUILD

RUNTIMES = BUILD / "env" / "runtimes"


def make_runtimes(progress: Progress, folder: Path = RUNTIMES) -> Path:
    """A folder with `python3.12` and so on, each with what AWS's runtime brings.

    Raises
    ------
    InstallFailed, NoPython
    """
    folder.mkdir(parents=True, exist_ok=True)
    newest = {one.minor: one for one in reversed(pythons_here())}
    for minor, python in newest.items():
        if python.version < (3, 9, 0):
            continue  # what AWS runs no more has no runtime client either
        environment = make_environment(python, [Install(0, names=runtime_packages())], progress)
        link = folder / f"python{minor}"
        if not link.is_symlink() or link.resolve() != environment.path:
            draft = folder / f".{link.name}.{os.getpid()}"
            draft.symlink_to(environment.path)
            draft.replace(link)
    return folder
