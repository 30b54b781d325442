"""Which commit a report is of."""

from __future__ import annotations

import subprocess

from scripts.paths import ROOT


def commit() -> str:
    """As `git describe` names it, with `-dirty` where files were changed; empty without git."""
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return asked.stdout.strip()
