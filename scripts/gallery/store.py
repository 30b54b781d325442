"""The gallery, the people table and everything else that knows a person, in the cloud."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from contract.clips import ClipKey, InvalidClipKey
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from contract.people import check_person_id
from contract.results import Person
from recognition import Gallery, GalleryUnreadable, RecognitionError
from scripts.errors import LabError
from scripts.gallery.clean_copies import MODELS_PREFIX, named_in
from scripts.gallery.people_table import PeopleTable
from scripts.gallery.quality import PhotoQuality
from scripts.gallery.queued_results import QueuedResults
from scripts.gallery.tombstones import TombstoneBook

ATTEMPTS = 5


class GalleryBusy(LabError):
    """Somebody else kept changing the gallery meanwhile."""


class GalleryDamaged(LabError):
    """The gallery in the bucket can't be read."""


@dataclass(frozen=True)
class Version:
    """One version of one object of the bucket."""

    key: str
    version_id: str
    is_latest: bool


@dataclass(frozen=True)
class Traces:
    """What of a person is in the cloud. `results` are those that wait in devices' queues,
    known only once they were looked through."""

    was_in_people: bool
    embeddings: int
    clips: int
    models: list[str]
    older_versions: int = 0
    results: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.was_in_people
            or self.embeddings
            or self.clips
            or self.models
            or self.older_versions
            or self.results
        )


class PeopleStore:
    """Everybody the lab knows. `switch` says in which cloud."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._s3 = switch.client("s3")
        self._dynamodb = switch.client("dynamodb")
        self._people = PeopleTable(switch)
        self._queued = QueuedResults(switch)
        self.tombstones = TombstoneBook(switch)

    def gallery(self) -> Gallery:
        return self._read()[0]

    def people(self) -> list[Person]:
        """Everybody with a row, by name."""
        return self._people.all()

    def photos(self) -> dict[str, PhotoQuality | None]:
        """How good everybody's pictures were, by id."""
        return {one.person_id: it for one, it in self._people.with_photos().items()}

    def enroll(
        self,
        person: Person,
        embeddings: np.ndarray,
        known: Person | None,
        photos: PhotoQuality | None = None,
    ) -> Gallery:
        """Replace the person's embeddings, float32 [n, 128], and their row; `known` is the
        row they had.

        Raises
        ------
        ChangedMeanwhile, GalleryBusy
        """
        self.tombstones.lift(person.person_id)
        self._people.put(person, known, photos)
        return self._change(lambda gallery: gallery.with_person(person.person_id, embeddings))

    def traces_of(self, person_id: str) -> Traces:
        """What `forget` would remove; nothing is changed."""
        check_person_id(person_id)
        doomed = list(self._versions_naming(person_id))
        return Traces(
            was_in_people=any(one.person_id == person_id for one in self._people.all()),
            embeddings=len(self.gallery().embeddings_of(person_id)),
            clips=len(self._clips_of(person_id)),
            models=_models(doomed),
            older_versions=sum(not one.is_latest for one in doomed),
        )

    def forget(self, person_id: str) -> Traces:
        """Remove the person from the people table, the gallery, the ledger, waiting results
        and every model that was trained on them, older versions included, delete the clips
        they were recognized in, and keep them from being seeded again.

        Raises
        ------
        InvalidPersonId, GalleryBusy
        """
        check_person_id(person_id)
        self.tombstones.add(person_id)
        # The row goes before the rest: without it no result can show the name any more.
        was_in_people = self._people.remove(person_id)
        embeddings = len(self.gallery().embeddings_of(person_id))
        if embeddings:
            self._change(lambda gallery: gallery.without(person_id))
        doomed = list(self._versions_naming(person_id))
        for version in doomed:
            self._delete(version)
        return Traces(
            was_in_people=was_in_people,
            embeddings=embeddings,
            clips=self._delete_clips_of(person_id),
            models=_models(doomed),
            older_versions=sum(not one.is_latest for one in doomed),
            # Last: the function may have been answering while the row was removed.
            results=self._queued.redact(person_id),
        )

    def returned(self) -> set[str]:
        """People who were forgotten and are here again, with an older state of the lab."""
        book = self.tombstones.read()
        if not book:
            return set()
        named = {one.person_id for one in self._people.all()} | set(self.gallery().people)
        for version in self._versions(MODELS_PREFIX):
            named |= set(_named_in(version, self._data(version)))
        return {person_id for person_id in named if book.covers(person_id)}

    def _data(self, version: Version) -> bytes:
        answer = self._s3.get_object(
            Bucket=self._switch.bucket, Key=version.key, VersionId=version.version_id
        )
        data: bytes = answer["Body"].read()
        return data

    def _clips_of(self, person_id: str) -> list[dict[str, Any]]:
        asked = {
            "TableName": self._switch.names.ledger_table,
            "FilterExpression": "contains(person_ids, :person)",
            "ExpressionAttributeValues": {":person": {"S": person_id}},
        }
        return list(every(self._dynamodb, "scan", "Items", **asked))

    def _delete_clips_of(self, person_id: str) -> int:
        rows = self._clips_of(person_id)
        for row in rows:
            for version in self._clip_versions(row.get("object_key", {}).get("S", "")):
                self._delete(version)
            # The row stays, without a name: it keeps a repeated event from being answered.
            self._dynamodb.update_item(
                TableName=self._switch.names.ledger_table,
                Key={"clip": row["clip"]},
                UpdateExpression="DELETE person_ids :person",
                ExpressionAttributeValues={":person": {"SS": [person_id]}},
            )
        return len(rows)

    def _clip_versions(self, key: str) -> list[Version]:
        try:
            ClipKey.parse(key)
        except InvalidClipKey:  # a row that somebody else wrote: not a clip, not ours to delete
            return []
        return [one for one in self._versions(key) if one.key == key]

    def _versions_naming(self, person_id: str) -> Iterator[Version]:
        """Models that know the person, older ones too, and older versions of the gallery."""
        for prefix in (MODELS_PREFIX, GALLERY_KEY):
            for version in self._versions(prefix):
                is_gallery = version.key == GALLERY_KEY
                if is_gallery and version.is_latest:
                    continue
                if person_id in _named_in(version, self._data(version)):
                    yield version

    def _versions(self, prefix: str) -> list[Version]:
        asked = {"Bucket": self._switch.bucket, "Prefix": prefix}
        return [
            Version(row["Key"], row["VersionId"], row["IsLatest"])
            for row in every(self._s3, "list_object_versions", "Versions", **asked)
        ]

    def _delete(self, version: Version) -> None:
        self._s3.delete_object(
            Bucket=self._switch.bucket, Key=version.key, VersionId=version.version_id
        )

    def _read(self) -> tuple[Gallery, str]:
        """The gallery and the ETag it was read at ("" when there is none)."""
        try:
            answer = self._s3.get_object(Bucket=self._switch.bucket, Key=GALLERY_KEY)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return Gallery.empty(), ""
            raise
        try:
            return Gallery.from_bytes(answer["Body"].read()), answer["ETag"]
        except GalleryUnreadable as error:
            raise GalleryDamaged(
                f"s3://{self._switch.bucket}/{GALLERY_KEY}: {error}",
                "delete that object and enroll everybody again",
            ) from error

    def _change(self, change: Callable[[Gallery], Gallery]) -> Gallery:
        """Read, change, write back unless somebody else wrote meanwhile; then again."""
        for _ in range(ATTEMPTS):
            gallery, etag = self._read()
            changed = change(gallery)
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            try:
                self._s3.put_object(
                    Bucket=self._switch.bucket,
                    Key=GALLERY_KEY,
                    Body=io.BytesIO(changed.to_bytes()),
                    **condition,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in (
                    "PreconditionFailed",
                    "ConditionalRequestConflict",
                ):
                    continue
                raise
            return changed
        raise GalleryBusy("the gallery kept changing while it was written", "try again")


def _named_in(version: Version, data: bytes) -> tuple[str, ...]:
    """Nobody, if it can't be read: the function can't read it either."""
    try:
        return named_in(version.key, data)
    except RecognitionError:
        return ()


def _models(versions: list[Version]) -> list[str]:
    """The one in use first: its absence is what a person has to know of."""
    keys = {one.key for one in versions if one.key != GALLERY_KEY and one.is_latest}
    return sorted(keys, key=lambda key: (key != CUSTOM_MODEL_KEY, key))
