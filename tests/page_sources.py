"""What the dashboard's page is made of: a picture of it is as old as these."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "scripts" / "dashboard"
KINDS = (".html", ".css", ".js")


def digest_beside(picture: Path) -> Path:
    """Where a picture's file says what it was taken of."""
    return picture.with_name(f"{picture.name}.sha256")


def page_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in KINDS:
            digest.update(f"{path.relative_to(FOLDER)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
