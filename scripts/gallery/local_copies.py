"""What of a person lies on this machine: pictures, kept exports, and files that mention them."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contract.names import GALLERY_KEY
from contract.people import InvalidName, check_person_id, person_id_of
from contract.results import Person
from scripts.errors import LabError
from scripts.gallery.clean_copies import MODELS_PREFIX, cleaned
from scripts.gallery.evidence import naming

ROSTER_NAME = "roster.json"
_MAX_SEARCHED_BYTES = 64 * 2**20


class OutsideItsFolder(LabError):
    """Something that was to be deleted does not lie where it should."""


@dataclass(frozen=True)
class LocalCopies:
    """Folders on this machine that may hold something of a person.

    `pictures` has a folder for each person, `exports` one for each kept lab; `searched` are
    files, or folders of files, to look through for what mentions somebody, and stay as they are.
    `face_cache` holds faces by their pictures' content: nothing there says whose they are.
    `evidence` holds clips whose answer somebody called wrong.
    """

    pictures: Path
    exports: Path
    searched: tuple[Path, ...] = ()
    face_cache: Path | None = None
    evidence: Path | None = None

    def evidence_of(self, person_id: str) -> list[Path]:
        """Clips that were kept because a wrong answer named the person."""
        return naming(self.evidence, person_id) if self.evidence is not None else []

    def delete_evidence_of(self, person_id: str) -> list[Path]:
        """Delete these.

        Raises
        ------
        OutsideItsFolder
        """
        doomed = self.evidence_of(person_id)
        for place in doomed:
            assert self.evidence is not None  # noqa: S101  there is some
            check_below(place, self.evidence)
            shutil.rmtree(place)
        return doomed

    def empty_face_cache(self) -> None:
        """Delete every cached face: which were the person's, nobody can tell any more."""
        if self.face_cache is not None and self.face_cache.is_dir():
            for folder in _children(self.face_cache):
                if not folder.is_symlink():
                    check_below(folder, self.face_cache)
                    shutil.rmtree(folder)

    def pictures_of(self, person_id: str) -> list[Path]:
        """Folders right below `pictures` whose name is the person's, however it is spelled."""
        check_person_id(person_id)
        return [entry for entry in _children(self.pictures) if _id_of(entry.name) == person_id]

    def delete_pictures_of(self, person_id: str) -> list[Path]:
        """Delete these folders. Of a link only the link goes, never what it leads to.

        Raises
        ------
        OutsideItsFolder
            Before anything is deleted outside `pictures`.
        """
        doomed = self.pictures_of(person_id)
        for folder in doomed:
            if folder.is_symlink():
                check_below(folder.parent, self.pictures, itself=True)
                folder.unlink()
            else:
                check_below(folder, self.pictures)
                shutil.rmtree(folder)
        return doomed

    def exports_naming(self, person_id: str) -> list[Path]:
        """Kept exports in which the person is."""
        return [one for one in _children(self.exports) if _names(one, person_id)]

    def clean_exports_of(self, person_id: str) -> list[Path]:
        """Take the person out of every kept export; models that knew them are deleted.

        Raises
        ------
        OutsideItsFolder
        """
        changed = self.exports_naming(person_id)
        for export in changed:
            check_below(export, self.exports)
            _write_roster(
                export, [row for row in _roster(export) if row.get("person_id") != person_id]
            )
            for path, data in _artifacts(export):
                kept = cleaned(_key(export, path), data, lambda one: one == person_id)
                check_below(path, export)
                if kept is None:
                    path.unlink()
                elif kept != data:
                    _replace(path, kept)
        return changed

    def mentions_of(self, person: Person) -> list[Path]:
        """Files that have the person's name or id in them, reports and logs for the most part."""
        wanted = _spellings(person)
        files = (path for folder in self.searched for path in _files(folder))
        return [path for path in files if _mentions(path, wanted)]


def check_below(path: Path, folder: Path, *, itself: bool = False) -> None:
    """Prove that `path`, all links followed, lies strictly below `folder` before it is deleted.

    Raises
    ------
    OutsideItsFolder
    """
    target, root = path.resolve(), folder.resolve()
    if itself and target == root:
        return
    if target == root or not target.is_relative_to(root):
        raise OutsideItsFolder(f"{path} does not lie below {folder}: nothing was deleted")


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return []


def _id_of(name: str) -> str | None:
    try:
        return person_id_of(name)
    except InvalidName:
        return None


def _roster(export: Path) -> list[dict[str, str]]:
    try:
        rows = json.loads((export / ROSTER_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _write_roster(export: Path, rows: list[dict[str, str]]) -> None:
    text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    _replace(export / ROSTER_NAME, text.encode())


def _artifacts(export: Path) -> Iterator[tuple[Path, bytes]]:
    paths = [export / GALLERY_KEY, *sorted((export / MODELS_PREFIX).rglob("*.onnx"))]
    for path in paths:
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


def _key(export: Path, path: Path) -> str:
    return path.relative_to(export).as_posix()


def _names(export: Path, person_id: str) -> bool:
    if any(row.get("person_id") == person_id for row in _roster(export)):
        return True
    return any(
        cleaned(_key(export, path), data, lambda one: one == person_id) != data
        for path, data in _artifacts(export)
    )


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(path.name + ".part")
    draft.touch(mode=0o600)
    draft.write_bytes(data)
    draft.replace(path)


def _spellings(person: Person) -> list[bytes]:
    forms = {unicodedata.normalize(form, person.name) for form in ("NFC", "NFD")} | {person.name}
    texts = {person.person_id, *forms, *(json.dumps(one)[1:-1] for one in forms)} - {""}
    return [text.encode("utf-8", "replace") for text in sorted(texts)]


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _mentions(path: Path, wanted: list[bytes]) -> bool:
    try:
        content = path.read_bytes() if path.stat().st_size <= _MAX_SEARCHED_BYTES else b""
    except OSError:
        return False
    return any(one in content for one in wanted)
