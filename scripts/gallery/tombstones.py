"""Who was forgotten and must stay so: what seeding, restores and exports ask before they write.

A tombstone is a salted, slow digest of a person id: the list names nobody, and only who
already has a name to ask about can look it up. It is kept twice, beside the lab's state and in
its bucket: the emulator forgets its buckets, and an account outlives this machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.names import TOMBSTONES_KEY
from scripts.cloud_errors import says_not_there
from scripts.errors import LabError
from scripts.lab.state import LabState

FORMAT = "facelab.forgotten/1"
_ROUNDS = 20_000


class TombstonesUnreadable(LabError):
    """The list of the forgotten is damaged: nobody can tell who must not be seeded."""


@dataclass(frozen=True)
class Tombstones:
    """Digests of person ids, each with its salt (both hexadecimal)."""

    marks: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.marks)

    def __or__(self, other: Tombstones) -> Tombstones:
        return Tombstones(self.marks | other.marks)

    def covers(self, person_id: str) -> bool:
        """Whether this person was forgotten."""
        return any(
            (salt, _digest(salt, person_id)) in self.marks for salt in {s for s, _ in self.marks}
        )

    def with_person(self, person_id: str) -> Tombstones:
        salt = min((salt for salt, _ in self.marks), default=secrets.token_hex(16))
        return Tombstones(self.marks | {(salt, _digest(salt, person_id))})

    def without_person(self, person_id: str) -> Tombstones:
        return Tombstones(
            frozenset((salt, mark) for salt, mark in self.marks if mark != _digest(salt, person_id))
        )

    def to_bytes(self) -> bytes:
        rows = [{"salt": salt, "digest": mark} for salt, mark in sorted(self.marks)]
        return json.dumps({"format": FORMAT, "forgotten": rows}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Tombstones:
        """Read what `to_bytes` wrote.

        Raises
        ------
        TombstonesUnreadable
        """
        try:
            content = json.loads(data)
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r}")
            rows = [(str(row["salt"]), str(row["digest"])) for row in content["forgotten"]]
            for salt, _ in rows:
                bytes.fromhex(salt)
            return cls(frozenset(rows))
        except (KeyError, TypeError, ValueError) as error:
            raise TombstonesUnreadable(
                f"{source} can't be read: {error!r}",
                "it lists who was forgotten; without it they would be seeded again: mend it, or "
                "delete it if nobody needs it",
            ) from error


def _digest(salt: str, person_id: str) -> str:
    key = hashlib.pbkdf2_hmac("sha256", person_id.encode(), bytes.fromhex(salt), _ROUNDS)
    return key[:16].hex()


def read_tombstones(path: Path) -> Tombstones:
    """Of a file; none when there is no file.

    Raises
    ------
    TombstonesUnreadable
    """
    try:
        return Tombstones.from_bytes(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Tombstones()
    except OSError as error:
        raise TombstonesUnreadable(f"{path} can't be read: {error.strerror}") from error


class TombstoneBook:
    """The lab's tombstones, in its state folder and its bucket."""

    def __init__(self, switch: Switch, state: LabState | None = None):
        self._switch = switch
        self._s3 = switch.client("s3")
        self._path = (state or LabState()).tombstones

    def read(self) -> Tombstones:
        """Both copies together.

        Raises
        ------
        TombstonesUnreadable
        """
        return read_tombstones(self._path) | self._in_bucket()

    def take_over(self, others: Tombstones) -> Tombstones:
        """Add those that came with an export; all there are now."""
        book = self.read()
        if others.marks - book.marks:
            self._write(book | others)
        return book | others

    def add(self, person_id: str) -> None:
        book = self.read()
        if not book.covers(person_id):
            self._write(book.with_person(person_id))

    def lift(self, person_id: str) -> None:
        """For somebody who is enrolled again."""
        book = self.read()
        if book.covers(person_id):
            self._write(book.without_person(person_id))

    def _write(self, book: Tombstones) -> None:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(f".{os.getpid()}.part")
        draft.touch(mode=0o600)
        draft.write_bytes(book.to_bytes())
        draft.replace(self._path)
        self._s3.put_object(Bucket=self._switch.bucket, Key=TOMBSTONES_KEY, Body=book.to_bytes())

    def _in_bucket(self) -> Tombstones:
        try:
            answer = self._s3.get_object(Bucket=self._switch.bucket, Key=TOMBSTONES_KEY)
        except ClientError as error:
            if says_not_there(error):
                return Tombstones()
            raise
        return Tombstones.from_bytes(answer["Body"].read(), TOMBSTONES_KEY)
