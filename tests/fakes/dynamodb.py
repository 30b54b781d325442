"""A DynamoDB of a few tables, in memory, that reads the expressions our code writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, dict[str, Any]]


@dataclass
class FakeDynamoDB:
    """`tables[name]` maps a row's key to the row. `unprocessed` decides how many keys of a
    BatchGetItem are handed back unread."""

    tables: dict[str, dict[str, Item]] = field(default_factory=dict)
    unprocessed: Callable[[int], int] = lambda asked: 0
    problem: Exception | None = None
    calls: list[str] = field(default_factory=list)

    def rows(self, table: str) -> dict[str, Item]:
        return self.tables.setdefault(table, {})

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803  boto3's names
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: dict[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Item | None = None,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
        ReturnValuesOnConditionCheckFailure: str = "NONE",  # noqa: N803
    ) -> dict[str, Any]:
        self.calls.append("UpdateItem")
        if self.problem:
            raise self.problem
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}
        used = set(re.findall(r":\w+", f"{UpdateExpression} {ConditionExpression}"))
        assert used == values.keys(), "DynamoDB refuses a value that is missing, or not used"
        ((_, key),) = Key.items()
        row = self.rows(TableName).get(key["S"])
        if ConditionExpression and not _holds(ConditionExpression, row or {}, names, values):
            answer: dict[str, Any] = {"Error": {"Code": "ConditionalCheckFailedException"}}
            if ReturnValuesOnConditionCheckFailure == "ALL_OLD" and row is not None:
                answer["Item"] = dict(row)
            raise ClientError(answer, "UpdateItem")
        changed = dict(row or Key)
        for verb, what in re.findall(r"(SET|REMOVE) (.+?)(?= SET | REMOVE |$)", UpdateExpression):
            for part in what.split(","):
                name, _, value = (word.strip() for word in part.partition("="))
                if verb == "SET":
                    changed[names.get(name, name)] = values[value]
                else:
                    changed.pop(names.get(name, name), None)
        self.rows(TableName)[key["S"]] = changed
        return {"Attributes": dict(row)} if ReturnValues == "ALL_OLD" and row else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        self.calls.append("BatchGetItem")
        if self.problem:
            raise self.problem
        ((table, asked),) = RequestItems.items()
        keys = asked["Keys"]
        assert 0 < len(keys) <= 100, "what one BatchGetItem takes"
        ids = [next(iter(key.values()))["S"] for key in keys]
        assert len(set(ids)) == len(ids), "DynamoDB refuses a key that is asked for twice"
        back = self.unprocessed(len(keys))
        found = [self.rows(table)[one] for one in ids[back:] if one in self.rows(table)]
        left = {table: {**asked, "Keys": keys[:back]}} if back else {}
        return {"Responses": {table: found}, "UnprocessedKeys": left}


def _holds(expression: str, row: Item, names: dict[str, str], values: Item) -> bool:
    """Whether a condition of comparisons, attribute_not_exists, AND, OR and brackets holds."""

    def operand(token: str) -> Any:
        attribute = values.get(token) if token[0] == ":" else row.get(names.get(token, token))
        if attribute is None:
            return None
        ((kind, value),) = attribute.items()
        return float(value) if kind == "N" else value

    def compared(match: re.Match[str]) -> str:
        left, right = operand(match[1]), operand(match[3])
        if left is None or right is None:
            return "False"
        return str(left == right if match[2] == "=" else left < right)

    def missing(match: re.Match[str]) -> str:
        return str(names.get(match[1], match[1]) not in row)

    text = re.sub(r"attribute_not_exists\(([#\w]+)\)", missing, expression)
    text = re.sub(r"([#:]?\w+) (=|<) ([#:]?\w+)", compared, text)
    text = text.replace(" AND ", " and ").replace(" OR ", " or ")
    assert re.fullmatch(r"(True|False|and|or|[() ])+", text), text
    return bool(eval(text))  # noqa: S307  only what the line above lets through
