"""Run a command as an ordinary user, from a clone and an interpreter that root alone may enter.

    python as_ordinary_user.py UID PATH… -- COMMAND…

Root's own tool: in mount namespaces of its own it opens the way to each PATH, and to nothing
else in those private folders, and then becomes the user.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000


def private_ancestor(path: Path) -> Path | None:
    """The outermost folder on the way that others may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main() -> None:
    split = sys.argv.index("--")
    uid, *paths = sys.argv[1:split]
    command = sys.argv[split + 1 :]
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    mount("--make-rprivate", "/")
    wanted = [Path(path).resolve() for path in paths]
    handles = {path: os.open(path, os.O_PATH) for path in wanted}
    covered: set[Path] = set()
    for path, handle in handles.items():
        folder = private_ancestor(path)
        if folder is None and not covered & set(path.parents):
            continue
        if folder is not None:
            mount("-t", "tmpfs", "-o", "mode=0755", "none", str(folder))
            covered.add(folder)
        path.mkdir(parents=True, exist_ok=True)
        mount("--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{handle}", str(path))
    for handle in handles.values():
        os.close(handle)
    os.setgroups([])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
