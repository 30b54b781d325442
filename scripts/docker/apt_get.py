"""apt-get that waits for another package manager instead of failing.

A fresh machine upgrades itself for minutes (unattended-upgrades), and apt-get waits for one of its
locks only. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LOCKS = (
    Path("/var/lib/dpkg/lock-frontend"),
    Path("/var/lib/dpkg/lock"),
    Path("/var/lib/apt/lists/lock"),
    Path("/var/cache/apt/archives/lock"),
)
# What apt-get says of a lock that somebody holds, in the language that it is asked in here.
HELD = ("Could not get lock", "Unable to lock", "Unable to acquire the dpkg frontend lock")
PATIENCE_S = 900.0


def apt_get(
    arguments: Sequence[str], locks: Sequence[Path] = LOCKS, patience_s: float = PATIENCE_S
) -> tuple[int, str]:
    """Run apt-get, again after whoever holds a lock is done; its status and output."""
    deadline = time.monotonic() + patience_s
    while True:
        done = subprocess.run(
            ["apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        held = done.returncode != 0 and any(words in done.stdout for words in HELD)
        if not held or time.monotonic() > deadline:
            return done.returncode, done.stdout
        print("waiting for another package manager", file=sys.stderr, flush=True)
        wait_until_free(locks, deadline)


def wait_until_free(locks: Sequence[Path], deadline: float) -> None:
    """Return when nobody holds any of `locks`, or at `deadline`."""
    while not all(_is_free(lock) for lock in locks) and time.monotonic() < deadline:
        time.sleep(0.5)  # between polls of a condition, with a deadline


def _is_free(lock: Path) -> bool:
    try:
        with lock.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
