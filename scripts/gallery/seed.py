"""The fixture people's gallery as a file, so that a fresh emulator is seeded in no time.

`python -m scripts.gallery.seed` is a set-up step, and a quick no-op while photos and models
stay as they are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from scripts.console import Progress, run_command
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT
from scripts.provision.people import SHIPPED, SHIPPED_GALLERY, read_roster

PHOTOS = ROOT / "fixtures" / "people"
ROSTER, GALLERY = SHIPPED.roster, SHIPPED_GALLERY


def fingerprint() -> str:
    """Digest of everything the gallery depends on."""
    digest = hashlib.sha256()
    sources = [*PHOTOS.rglob("*"), ROSTER, *(ROOT / "lambda" / "recognition").glob("*.py")]
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def build(progress: Progress) -> None:
    """Embed the enrollment photos of everybody in the roster.

    Raises
    ------
    LabError
        When a person has no photo that can be used.
    """
    from recognition import Gallery, Recognizer
    from scripts.gallery.photos import examine, read_pictures

    recognizer, gallery = Recognizer.load(BUILD / "models"), Gallery.empty()
    for person in read_roster(ROSTER):
        found = examine(read_pictures(PHOTOS / person.person_id), recognizer)
        for refusal in found.refusals:
            progress(f"{person.name}: not taken: {refusal}")
        if not found.sources:
            raise LabError(f"{person.name} has no usable photo in {PHOTOS.relative_to(ROOT)}")
        gallery = gallery.with_person(person.person_id, found.embeddings)
        progress(f"{person.name}: {len(found.sources)} photos")
    GALLERY.parent.mkdir(parents=True, exist_ok=True)
    _write(GALLERY, gallery.to_bytes())


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".part")
    draft.write_bytes(data)
    draft.replace(path)


def main() -> int:
    stamp, current = GALLERY.with_suffix(".stamp"), fingerprint()
    if not (GALLERY.exists() and stamp.exists() and stamp.read_text() == current):
        progress = Progress()
        progress("embedding the fixture's enrollment photos")
        build(progress)
        stamp.write_text(current)
    return 0


if __name__ == "__main__":
    run_command(main)
