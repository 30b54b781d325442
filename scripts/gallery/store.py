"""The gallery, the people table and everything else that knows a person, in the cloud."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from contract.results import Person
from recognition import CustomModel, Gallery, RecognitionError
from scripts.errors import LabError
from scripts.provision.people import put_people

MODELS_PREFIX = "models/"
ATTEMPTS = 5


class GalleryBusy(LabError):
    """Somebody else kept changing the gallery meanwhile."""


@dataclass(frozen=True)
class Traces:
    """What `forget` removed."""

    embeddings: int
    was_in_people: bool
    clips: int
    models: list[str]


class PeopleStore:
    """Everybody the lab knows. `switch` says in which cloud."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._s3 = switch.client("s3")
        self._dynamodb = switch.client("dynamodb")

    def gallery(self) -> Gallery:
        return self._read()[0]

    def enrol(self, person: Person, embeddings: np.ndarray) -> Gallery:
        """Replace the person's embeddings, float32 [n, 128], and their row."""
        put_people(self._switch, [person])
        return self._change(lambda gallery: gallery.with_person(person.person_id, embeddings))

    def roster(self) -> list[tuple[Person, int]]:
        """Every person with the number of their embeddings, by name."""
        gallery = self.gallery()
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._switch.names.people_table
        )
        people = [
            Person(*(row.get(name, {}).get("S", "") for name in Person.__dataclass_fields__))
            for page in pages
            for row in page["Items"]
        ]
        counted = [(one, len(gallery.embeddings_of(one.person_id))) for one in people]
        return sorted(counted, key=lambda pair: pair[0].name)

    def forget(self, person_id: str) -> Traces:
        """Remove the person from the people table, the gallery, the ledger and every model
        that was trained on them, and delete the clips they were recognised in.
        """
        # The row goes first: without it no result can show the name any more.
        removed = self._dynamodb.delete_item(
            TableName=self._switch.names.people_table,
            Key={"person_id": {"S": person_id}},
            ReturnValues="ALL_OLD",
        )
        embeddings = len(self.gallery().embeddings_of(person_id))
        if embeddings:
            self._change(lambda gallery: gallery.without(person_id))
        return Traces(
            embeddings=embeddings,
            was_in_people=bool(removed.get("Attributes")),
            clips=self._delete_clips_of(person_id),
            models=self._delete_models_of(person_id),
        )

    def _delete_clips_of(self, person_id: str) -> int:
        table = self._switch.names.ledger_table
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=table,
            FilterExpression="contains(person_ids, :person)",
            ExpressionAttributeValues={":person": {"S": person_id}},
        )
        rows = [row for page in pages for row in page["Items"]]
        for row in rows:
            self._s3.delete_object(Bucket=self._switch.bucket, Key=row["object_key"]["S"])
            # The row stays, without a name: it keeps a repeated event from being answered.
            self._dynamodb.update_item(
                TableName=table,
                Key={"clip": row["clip"]},
                UpdateExpression="DELETE person_ids :person",
                ExpressionAttributeValues={":person": {"SS": [person_id]}},
            )
        return len(rows)

    def _delete_models_of(self, person_id: str) -> list[str]:
        bucket = self._switch.bucket
        gone = []
        for key in self._keys(MODELS_PREFIX):
            data = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            try:
                knows = person_id in CustomModel.from_bytes(data).labels
            except RecognitionError:
                continue
            if knows:
                self._s3.delete_object(Bucket=bucket, Key=key)
                gone.append(key)
        # The one in use first: its absence is what a person has to know of.
        return sorted(gone, key=lambda key: key != CUSTOM_MODEL_KEY)

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._switch.bucket, Prefix=prefix
        )
        return [row["Key"] for page in pages for row in page.get("Contents", ())]

    def _read(self) -> tuple[Gallery, str]:
        """The gallery and the ETag it was read at ("" when there is none)."""
        try:
            answer = self._s3.get_object(Bucket=self._switch.bucket, Key=GALLERY_KEY)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return Gallery.empty(), ""
            raise
        return Gallery.from_bytes(answer["Body"].read()), answer["ETag"]

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
