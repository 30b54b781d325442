"""Who is graded: an id for names, and an account that nobody else's things are in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from scripts.errors import LabError

STUDENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
OWN_ACCOUNT = "000000000000"


class UnknownStudent(LabError):
    """An id that could not name a bucket, or a list that names nobody."""


@dataclass(frozen=True)
class Student:
    """`folder` holds their solution; None takes the course's own."""

    id: str
    folder: Path | None = None

    @property
    def account(self) -> str:
        """Twelve digits: the id where it is a number, else a number that belongs to the id."""
        if self.id.isdecimal() and len(self.id) <= 12:
            return self.id.zfill(12)
        digest = hashlib.sha256(self.id.encode()).hexdigest()
        return f"9{int(digest, 16) % 10**11:011d}"


def read_students(named: str, listed: str, folder: Path | None) -> list[Student]:
    """The students of a comma list, of a file with one a line, or both.

    A line of the file is `id` or `id folder`; a folder is looked for beside the file. Without one,
    `folder` holds a folder for each id where several are graded, and is the student's own else.

    Raises
    ------
    UnknownStudent
    """
    words = [(word.strip(), None) for word in named.split(",") if word.strip()]
    if listed and not Path(listed).is_file():
        words += [(word.strip(), None) for word in listed.split(",") if word.strip()]
    rows: list[tuple[str, Path | None]] = [*words, *(_of_file(Path(listed)) if listed else ())]
    if not rows:
        raise UnknownStudent("nobody is to be graded", "STUDENT=1229679960, or STUDENTS=class.txt")
    found: dict[str, Student] = {}
    for name, own in rows:
        student = Student(_checked(name), own or _below(folder, name, alone=len(rows) == 1))
        twin = next((one for one in found.values() if one.account == student.account), None)
        if twin and twin.id != student.id:
            raise UnknownStudent(f"{twin.id} and {student.id} have one account {twin.account}")
        found.setdefault(student.id, student)
    return list(found.values())


def _of_file(path: Path) -> list[tuple[str, Path | None]]:
    if not path.is_file():
        return []
    rows: list[tuple[str, Path | None]] = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        words = line.partition("#")[0].replace(",", " ").split(maxsplit=1)
        if words:
            rows.append((words[0], path.parent / words[1].strip() if words[1:] else None))
    return rows


def _below(folder: Path | None, name: str, alone: bool) -> Path | None:
    if folder is None or alone:
        return folder
    return folder / name


def _checked(name: str) -> str:
    lower = name.lower()
    if not STUDENT.fullmatch(lower) or Student(lower).account == OWN_ACCOUNT:
        raise UnknownStudent(
            f"STUDENT={name} can't name buckets and an account",
            "1 to 40 of a-z, 0-9 and inner hyphens, e.g. the ten digits of a student's number",
        )
    return lower
