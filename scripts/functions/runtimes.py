"""Lambda's Python runtimes for zip functions: an environment for each Python that is here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.console import Progress
from scripts.functions.dockerfile.installs import Install
from scripts.functions.environments import InstallFailed, make_environment, runtime_packages
from scripts.functions.pythons import Python, pythons_here
from scripts.paths import BUILD

RUNTIMES = BUILD / "env" / "runtimes"


def make_runtimes(
    progress: Progress, folder: Path = RUNTIMES, pythons: Sequence[Python] | None = None
) -> Path:
    """A folder with `python3.12` and so on, each with what AWS's runtime brings.

    `pythons` are those that get one, at first the lab's own alone. One that can't be made
    (offline, say) is said and left out: a lab is more than zip functions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for python in of_each_minor(pythons_here()) if pythons is None else pythons:
        if pythons is None and python.version[:2] != sys.version_info[:2]:
            continue
        packages = [Install(0, names=runtime_packages(python))]
        try:
            environment = make_environment(python, packages, progress)
        except InstallFailed as error:
            reason = str(error).splitlines()[-1]
            progress(f"zip functions have no Python {python.minor}: {reason}")
            continue
        link = folder / f"python{python.minor}"
        if not link.is_symlink() or link.resolve() != environment.path:
            draft = folder / f".{link.name}.{os.getpid()}"
            draft.symlink_to(environment.path)
            draft.replace(link)
    return folder


def of_each_minor(pythons: Sequence[Python]) -> list[Python]:
    """The newest of each minor version."""
    return list({one.minor: one for one in sorted(pythons, key=lambda one: one.version)}.values())
