"""How far this system lets a function process be set apart."""

from __future__ import annotations

import os
import platform
import pwd
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from localstack_image_functions.errors import ImageFunctionsError, IsolationUnavailable
from localstack_image_functions.process.calls import call_filter
from localstack_image_functions.process.launch import launch
from localstack_image_functions.process.leftovers import MARKER
from localstack_image_functions.process.peers import OwnProcesses
from localstack_image_functions.process.view import FUNCTION_GID, FUNCTION_UID, view_of
from localstack_image_functions.runtime.logs import OutputLog
from localstack_image_functions.runtime.pipes import Pipes

MAX_PROCESSES = 1024
OF_ITS_OWN = 1
"""The sandbox's first process counts among the function's, which must not lose one for it."""

# Whom functions run as when root starts them: an id that nothing else on the host has.
CANDIDATES = (FUNCTION_UID, 64_993, 65_534)
NPROC_PER_NAMESPACE = (5, 14)


@dataclass(frozen=True)
class Isolation:
    """What sets a function apart here.

    `outer_uid` is whom it runs as on the host when root starts it; None: as whoever started
    the emulator. `missing` names what this system lacks of it.
    """

    outer_uid: int | None = None
    missing: tuple[str, ...] = ()

    @property
    def max_processes(self) -> int | None:
        """None where a limit would count the user's other processes too."""
        if self.outer_uid is None and _kernel() < NPROC_PER_NAMESPACE:
            return None
        return MAX_PROCESSES + OF_ITS_OWN

    def ids(self) -> dict[str, Any]:
        """Whom it runs as, inside and outside, and which calls it is refused."""
        return {
            "uid": FUNCTION_UID,
            "gid": FUNCTION_GID,
            "outer_uid": self.outer_uid,
            "outer_gid": self.outer_uid,
            "calls": call_filter(),
        }


@cache
def isolation_here() -> Isolation:
    """What this system can do, tried once.

    Raises
    ------
    IsolationUnavailable
        When processes can't be set apart: Linux 5.12 with namespaces is needed.
    """
    if sys.platform != "linux":
        raise IsolationUnavailable(f"{platform.system()} has no namespaces")
    outer_uid = _free_uid() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        missing = _try(Isolation(outer_uid), folder)
    return Isolation(outer_uid, missing)


def _try(isolation: Isolation, folder: str) -> tuple[str, ...]:
    """Start a process that ends at once; what the system lacked."""
    program = "/bin/true"
    view = view_of((program,), (), {}, resolver=False)
    specification = {
        "argv": [program],
        "executable": program,
        "environment": {MARKER: "trial"},
        "directory": "/",
        "parent": os.getpid(),
        "max_files": 1024,
        "max_file_bytes": 2**20,
        "max_processes": isolation.max_processes,
        "apart": {
            **isolation.ids(),
            "root": folder,
            "shown": view.shown,
            "links": view.links,
            "files": view.files,
            "tmp_bytes": 2**20,
            "ports": [9001],
        },
    }
    pipes = Pipes(OutputLog())
    try:
        launched = launch(specification, pipes, OwnProcesses())
    except ImageFunctionsError as error:
        raise IsolationUnavailable(str(error)) from error
    finally:
        pipes.close()
    for listener in launched.listeners:
        listener.close()
    launched.process.wait()
    return launched.missing


def _free_uid() -> int:
    return next(_free_uids(), CANDIDATES[-1])


def _free_uids() -> Iterator[int]:
    """Ids that exist in our own user namespace and belong to nobody."""
    for candidate in CANDIDATES:
        try:
            pwd.getpwuid(candidate)
        except KeyError:
            if _is_mapped(candidate):
                yield candidate


def _is_mapped(uid: int) -> bool:
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return True
    ranges = [tuple(map(int, line.split())) for line in lines]
    return any(first <= uid < first + count for first, _, count in ranges)


def _kernel() -> tuple[int, int]:
    major, minor = platform.release().split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdecimal()) or 0)
