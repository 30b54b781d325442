"""A function of the bench's own in the lab that is up, by the commands that anybody has."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.errors import LabError
from scripts.paths import ROOT

FUNCTIONS = (sys.executable, "-m", "scripts.cli.functions")
# What every lab has. Its own handler is there as byte code that no source is compared with, so
# that the bench's has another name.
BASE_IMAGE = "facelab-recognize:local"


@contextlib.contextmanager
def deployed(name: str, folder: Path, *options: str) -> Iterator[None]:
    """The folder's function, deleted in the end.

    Raises
    ------
    LabError
        When it can't be deployed.
    """
    done = subprocess.run(
        [*FUNCTIONS, "deploy", name, "--dir", str(folder), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        if done.returncode:
            raise LabError(f"the function could not be deployed:\n{done.stderr}")
        yield
    finally:
        subprocess.run([*FUNCTIONS, "delete", name], cwd=ROOT, capture_output=True, check=False)
