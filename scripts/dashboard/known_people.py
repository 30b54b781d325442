"""Who the people in a clip's line are: the ledger's rows, and the people table.

The log names nobody. What is kept here are ids, and only as long as the people table has them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from cloud.switch import Switch
from contract.results import Person
from scripts.gallery.people_table import PeopleTable
from scripts.gallery.quality import PhotoQuality
from stores import MOST_KEYS

REFRESH_S = 2.0


class KnownPeople:
    """People by id, and the ids in rows of the ledger. For one thread at a time."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._ledger = switch.names.ledger_table
        self._asked_s = 0.0
        self.by_id: dict[str, Person] = {}
        self.photos: dict[str, PhotoQuality] = {}

    def expire(self) -> None:
        """Somebody was enrolled or forgotten: the next refresh is due at once."""
        self._asked_s = 0.0

    def refresh(self) -> bool:
        """Read the people table if that is due; whether somebody came, went or changed."""
        if self._asked_s and time.monotonic() - self._asked_s < REFRESH_S:
            return False
        rows = PeopleTable(self._switch).with_photos()
        people = {one.person_id: one for one in rows}
        photos = {one.person_id: quality for one, quality in rows.items() if quality is not None}
        self._asked_s = time.monotonic()
        changed = (people, photos) != (self.by_id, self.photos)
        self.by_id, self.photos = people, photos
        return changed

    def in_rows(self, rows: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Sorted person ids by row of the ledger; a row that is not there is left out."""
        wanted = list(dict.fromkeys(rows))
        found: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(wanted), MOST_KEYS):
            keys: list[dict[str, Any]] = [
                {"clip": {"S": row}} for row in wanted[start : start + MOST_KEYS]
            ]
            while keys:
                answer = self._switch.client("dynamodb").batch_get_item(
                    RequestItems={
                        self._ledger: {"Keys": keys, "ProjectionExpression": "clip, person_ids"}
                    }
                )
                for row in answer["Responses"].get(self._ledger, ()):
                    ids = tuple(sorted(row.get("person_ids", {}).get("SS", ())))
                    found[row["clip"]["S"]] = ids
                left = answer.get("UnprocessedKeys", {}).get(self._ledger, {}).get("Keys", [])
                keys = left if len(left) < len(keys) else []
        return found
