"""The ledger: how far each clip has come, and who may bring it further.

    (nothing) ──claim──▶ started ──answered──▶ answered
        ▲   ▲               │
        │   └───let go──────┘   its attempt ended, and is certain not to have sent
        │
        │ ──give up──▶ failed ──▶ letter
        └──────reset─────┘ ◀─take back─┘

A clip is `started` from just before its result may be sent, so its result may be out; it never
becomes `failed` from there. It is `failed` while its letter is written or removed, and `letter`
while that stands. Each change is one conditional write: of a result and a letter there can be one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from events import ClipRef
from stores import rows_by_key

LEDGER_DAYS = 7
LETTER_DAYS = 14  # as long as the letter itself is kept


class State(Enum):
    """What a row says. The values stand in the table."""

    NOTHING = ""
    STARTED = "started"
    ANSWERED = "answered"
    FAILED = "failed"
    LETTER = "letter"


class Claim(Enum):
    """What the ledger says when an invocation is about to send a clip's result."""

    OURS = "ours"
    RESUMED = "ours, after an attempt that may have sent"
    ANSWERED = "answered before"
    IN_PROGRESS = "in progress"  # another invocation holds a lease
    GIVEN_UP = "given up, its outcome is a letter"

    @property
    def may_send(self) -> bool:
        return self in (Claim.OURS, Claim.RESUMED)


@dataclass(frozen=True)
class Row:
    """What the ledger says of a clip. `lease_until_s` is in Unix seconds; until then the row is
    the business of the request `holder`."""

    state: State = State.NOTHING
    lease_until_s: float = 0.0
    holder: str = ""
    was_sent_again: bool = False

    @classmethod
    def of(cls, item: dict[str, Any]) -> Row:
        status = item.get("status", {}).get("S", "")
        return cls(
            # Of a later version's states we know that they are not ours to change.
            State(status) if status in _STATES else State.ANSWERED,
            float(item.get("lease_until", {}).get("N", 0)),
            item.get("request_id", {}).get("S", ""),
            item.get("sent_again", {}).get("BOOL", False),
        )


_STATES = {state.value for state in State}


class Ledger:
    """The ledger's table in DynamoDB."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    # --- the function's part ---------------------------------------------------------------

    def claim(self, ref: ClipRef, request_id: str, lease_s: float) -> Claim:
        """Claim a clip for `lease_s` seconds.

        Lambda repeats a failed asynchronous invocation under the same request id, so a
        claim by the same request is a retry, not a rival.
        """
        answer, refused = self._hold(ref, request_id, lease_s, State.STARTED)
        if refused is None:
            return Claim.RESUMED if "status" in answer.get("Attributes", {}) else Claim.OURS
        if refused.state is State.ANSWERED:
            return Claim.ANSWERED
        return Claim.IN_PROGRESS if refused.state is State.STARTED else Claim.GIVEN_UP

    def let_go(self, ref: ClipRef, request_id: str) -> None:
        """End a claim that was `OURS`, of an attempt that is certain not to have sent."""
        self._change_own(ref, request_id, State.STARTED, "REMOVE #status, lease_until, request_id")

    def answered(self, ref: ClipRef, person_ids: Iterable[str]) -> None:
        """Close the row. It keeps who was named, so that `forget` finds a person's clips."""
        seen = sorted(set(person_ids))
        self._change(
            ref,
            "SET #status = :state, object_key = :object" + (", person_ids = :people" * bool(seen)),
            "",
            {
                ":state": {"S": State.ANSWERED.value},
                ":object": {"S": ref.object_key},
                **({":people": {"SS": seen}} if seen else {}),
            },
        )

    # --- the reconciler's part -------------------------------------------------------------

    def read(self, rows: Iterable[str]) -> dict[str, Row]:
        """The rows that exist.

        Raises
        ------
        StoreError
            When the table keeps handing keys back unread.
        """
        keys = [{"clip": {"S": row}} for row in sorted(set(rows))]
        items = rows_by_key(self._dynamodb, self._table, keys)
        return {item["clip"]["S"]: Row.of(item) for item in items}

    def give_up(self, ref: ClipRef, request_id: str, lease_s: float) -> Row | None:
        """Have `lease_s` seconds to write the clip's letter; the row where that may not be."""
        return self._hold(ref, request_id, lease_s, State.FAILED)[1]

    def note_letter(self, ref: ClipRef, request_id: str) -> None:
        """The letter stands."""
        self._change_own(
            ref,
            request_id,
            State.FAILED,
            "SET #status = :letter REMOVE lease_until, request_id",
            {":letter": {"S": State.LETTER.value}},
        )

    def take_back(self, ref: ClipRef, request_id: str, lease_s: float) -> bool:
        """Have `lease_s` seconds to remove the clip's letter; False where that may not be."""
        return self._hold(ref, request_id, lease_s, State.FAILED, State.LETTER)[1] is None

    def reset(self, ref: ClipRef, request_id: str) -> bool:
        """The letter is gone: the clip may be answered again; False where it is not ours."""
        return self._change_own(
            ref,
            request_id,
            State.FAILED,
            "REMOVE #status, lease_until, request_id SET sent_again = :yes",
            {":yes": {"BOOL": True}},
        )

    def free(self, ref: ClipRef, dead_request_id: str) -> bool:
        """End the lease of a request whose attempts are all over; False where it has none."""
        return self._change_own(
            ref,
            dead_request_id,
            State.STARTED,
            "SET lease_until = :never",
            {":never": {"N": "0"}},
        )

    # --- both ------------------------------------------------------------------------------

    def _hold(
        self, ref: ClipRef, request_id: str, lease_s: float, state: State, *also_from: State
    ) -> tuple[dict[str, Any], Row | None]:
        """Bring a row into `state` for a while, from nothing, from a lease that ran out, from our
        own (a repeated call), or from `also_from`: the answer; the row where it was refused."""
        now_s = time.time()
        others = {f":from{n}": {"S": one.value} for n, one in enumerate(also_from)}
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(ref),
                UpdateExpression=(
                    "SET #status = :state, lease_until = :lease, request_id = :request,"
                    " object_key = :object, expires_at = :expires"
                ),
                ConditionExpression=(
                    "attribute_not_exists(#status) OR (#status = :state AND"
                    " (lease_until < :now OR request_id = :request))"
                    + "".join(f" OR #status = {name}" for name in others)
                ),
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":state": {"S": state.value},
                    ":lease": {"N": f"{now_s + lease_s:.3f}"},
                    ":now": {"N": f"{now_s:.3f}"},
                    ":request": {"S": request_id},
                    ":object": {"S": ref.object_key},
                    ":expires": {"N": expiry(state, now_s)},
                    **others,
                },
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return {}, Row.of(error.response.get("Item", {}))
        return answer, None

    def _change_own(
        self,
        ref: ClipRef,
        request_id: str,
        state: State,
        update: str,
        values: dict[str, Any] | None = None,
    ) -> bool:
        """Change a row that is in `state` and the business of `request_id`; whether it was."""
        own = {":state": {"S": state.value}, ":request": {"S": request_id}}
        condition = "#status = :state AND request_id = :request"
        return self._change(ref, update, condition, {**own, **(values or {})})

    def _change(self, ref: ClipRef, update: str, condition: str, values: dict[str, Any]) -> bool:
        """Whether the condition held."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(ref),
                UpdateExpression=update,
                **({"ConditionExpression": condition} if condition else {}),
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def expiry(state: State, now_s: float) -> str:
    """When DynamoDB may delete a row that is in `state` from now on, as it wants to be told."""
    days = LETTER_DAYS if state in (State.FAILED, State.LETTER) else LEDGER_DAYS
    return str(int(now_s) + days * 86_400)


def _key(ref: ClipRef) -> dict[str, Any]:
    return {"clip": {"S": ref.row}}
