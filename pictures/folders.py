"""What lies below a folder: its pictures, and for every other file the reason why not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pictures.reading import PictureRefused, check_picture


@dataclass(frozen=True)
class Refusal:
    """Something below a folder that was not taken, by its path from there, and why."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


def files_below(root: Path) -> Iterator[Path | Refusal]:
    """Every file below `root`, in order; a single file is itself.

    Links are named, not followed: they may lead out of the folder, or round in circles.
    Hidden files and folders are what systems keep for themselves (thumbnails, forks).
    """
    if not root.is_dir():
        yield root if root.is_file() else Refusal(root.name, "neither a file nor a folder")
        return
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield Refusal(_named(root, folder), f"can't be looked into: {error.strerror}")
            continue
        folders = []
        for entry in entries:
            path = folder / entry.name
            if reason := _unfit(entry):
                yield Refusal(_named(root, path), reason)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            else:
                yield path
        waiting += reversed(folders)


def find_pictures(root: Path) -> Iterator[Path | Refusal]:
    """The pictures below `root` as their headers tell, whatever they are called; nothing is
    decoded. Every other file comes as a refusal."""
    for found in files_below(root):
        if isinstance(found, Refusal):
            yield found
            continue
        try:
            check_picture(found)
        except PictureRefused as error:
            yield Refusal(_named(root, found), str(error))
        else:
            yield found


def _unfit(entry: os.DirEntry[str]) -> str | None:
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
        target = Path(entry.path).readlink() if stat.S_ISLNK(mode) else None
    except OSError as error:
        return f"can't be looked at: {error.strerror}"
    if target is not None:
        return f"a link to {target}: links are not followed, name that place itself"
    if entry.name.startswith("."):
        return "hidden"
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "neither a file nor a folder"


def _named(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path != root else path.name
