"""The people table: a row for everybody who may be named."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from contract.results import Person
from scripts.errors import LabError
from scripts.gallery.quality import PhotoQuality

PHOTOS = "photos"


class ChangedMeanwhile(LabError):
    """Somebody else wrote a person's row while this command ran."""


class PeopleTable:
    """Rows of the people table. `switch` says in which cloud."""

    def __init__(self, switch: Switch):
        self._dynamodb = switch.client("dynamodb")
        self._table = switch.names.people_table

    def all(self) -> list[Person]:
        """Everybody, by name.

        Raises
        ------
        botocore.exceptions.ClientError
            `ResourceNotFoundException` when there is no table.
        """
        return list(self.with_photos())

    def with_photos(self) -> dict[Person, PhotoQuality | None]:
        """Everybody, by name, with how good their pictures were where that was written down.

        Raises
        ------
        botocore.exceptions.ClientError
        """
        people = {
            Person(*(row.get(name, {}).get("S", "") for name in Person.__dataclass_fields__)): (
                PhotoQuality.from_json(row.get(PHOTOS, {}).get("S", ""))
            )
            for row in every(self._dynamodb, "scan", "Items", TableName=self._table)
        }
        order = sorted(people, key=lambda one: (one.name, one.person_id))
        return {person: people[person] for person in order}

    def put(
        self, person: Person, in_place_of: Person | None, photos: PhotoQuality | None = None
    ) -> None:
        """Write a row: a new one, or in place of the one that was seen.

        Raises
        ------
        ChangedMeanwhile
            When it is not as it was seen any more.
        """
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(person_id)"}
        if in_place_of:
            condition = {
                "ConditionExpression": "#name = :name",
                "ExpressionAttributeNames": {"#name": "name"},
                "ExpressionAttributeValues": {":name": {"S": in_place_of.name}},
            }
        item = {name: {"S": getattr(person, name)} for name in Person.__dataclass_fields__}
        if photos is not None:
            item[PHOTOS] = {"S": photos.to_json()}
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise ChangedMeanwhile(
                f"{person.person_id} was enrolled or forgotten meanwhile", "look, and try again"
            ) from error

    def remove(self, person_id: str) -> bool:
        """Whether there was a row to remove."""
        removed = self._dynamodb.delete_item(
            TableName=self._table, Key={"person_id": {"S": person_id}}, ReturnValues="ALL_OLD"
        )
        return bool(removed.get("Attributes"))
