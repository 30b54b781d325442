"""Which files changed since a commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.paths import ROOT


def changed_files(base: str, root: Path = ROOT) -> set[str] | None:
    """Files that differ from the last commit shared with `base`, committed or not; None where
    there is no git, no such commit, or (in a shallow clone) nothing shared."""
    shared = _git(root, "merge-base", base, "HEAD")
    if shared is None:
        return None
    changed = _git(root, "diff", "--name-only", "-z", shared.strip(), "--")
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    if changed is None or new is None:
        return None
    return {name for name in f"{changed}\0{new}".split("\0") if name}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        asked = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return None if asked.returncode else asked.stdout
