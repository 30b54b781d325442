"""Answers that somebody called wrong, kept with their clip as evidence for evaluation.

Each is a folder below `out/evidence`: the clip, and what was said of it. They show people and
name them, so they are their owner's alone, and `forget` deletes those that name the person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from device.private_files import make_private_folder, write_private
from scripts.paths import ROOT

FOLDER = ROOT / "out" / "evidence"
CLIP_NAME, SAID_NAME = "clip.h264", "said.json"


def keep(folder: Path, row: str, clip: bytes, said: dict[str, Any]) -> Path:
    """Keep a clip and what was said of it; once, however often it is called wrong.

    `row` is the clip's in the ledger. `said` holds person ids under `people`.
    """
    place = folder / hashlib.sha256(row.encode()).hexdigest()[:16]
    make_private_folder(place)
    write_private(place / CLIP_NAME, clip)
    write_private(place / SAID_NAME, json.dumps(said, indent=1).encode())
    return place


def naming(folder: Path, person_id: str) -> list[Path]:
    """Evidence in which the person was named."""
    return [place for place, said in _all(folder) if person_id in said.get("people", ())]


def _all(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(folder.glob(f"*/{SAID_NAME}")):
        try:
            said = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(said, dict) and not file.parent.is_symlink():
            yield file.parent, said
