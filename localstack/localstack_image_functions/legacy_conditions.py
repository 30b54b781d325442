"""Parameters of DynamoDB from before its expressions, as expressions: moto does not look at some of
them, and would delete what the condition keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localstack_image_functions.bounds.attribute_values import wrong_value

_SAYS = {
    "EQ": "{path} = {0}",
    "NE": "{path} <> {0}",
    "LE": "{path} <= {0}",
    "LT": "{path} < {0}",
    "GE": "{path} >= {0}",
    "GT": "{path} > {0}",
    "NOT_NULL": "attribute_exists({path})",
    "NULL": "attribute_not_exists({path})",
    "CONTAINS": "contains({path}, {0})",
    "NOT_CONTAINS": "NOT contains({path}, {0})",
    "BEGINS_WITH": "begins_with({path}, {0})",
    "BETWEEN": "{path} BETWEEN {0} AND {1}",
    "IN": "{path} IN ({several})",
}


def with_condition(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A write with `Expected` as one with a condition expression; others as they are."""
    expected = request.get("Expected")
    if not expected or "ConditionExpression" in request:
        return request
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    said = []
    for number, (name, asked) in enumerate(expected.items()):
        names[f"#e{number}"] = name
        placed = []
        for value in _values(asked):
            placed.append(f":e{len(values)}")
            values[placed[-1]] = value
        form = _SAYS[_operator(asked)]
        said.append(form.format(*placed, path=f"#e{number}", several=", ".join(placed)))
    rest = {k: v for k, v in request.items() if k not in ("Expected", "ConditionalOperator")}
    operator = request.get("ConditionalOperator") or "AND"
    return rest | {
        "ConditionExpression": f" {operator} ".join(said),
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def with_updates(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """An update with `AttributeUpdates` as one with an update expression; others as they are.

    Raises
    ------
    CommonServiceException
        When an attribute is to be put or added to without a value.
    """
    updates = request.get("AttributeUpdates")
    if not updates or "UpdateExpression" in request:
        return request
    names = dict(request.get("ExpressionAttributeNames") or {})
    values = dict(request.get("ExpressionAttributeValues") or {})
    clauses: dict[str, list[str]] = {}
    for number, (name, asked) in enumerate(updates.items()):
        path, placed = f"#u{number}", f":u{number}"
        names[path] = name
        action, value = asked.get("Action") or "PUT", asked.get("Value")
        if value is None and action != "DELETE":
            raise wrong_value("Only DELETE action is allowed when no attribute value is specified")
        if value is None:
            clauses.setdefault("REMOVE", []).append(path)
            continue
        values[placed] = value
        said = f"{path} = {placed}" if action == "PUT" else f"{path} {placed}"
        clauses.setdefault("SET" if action == "PUT" else action, []).append(said)
    rest = {name: value for name, value in request.items() if name != "AttributeUpdates"}
    return rest | {
        "UpdateExpression": " ".join(f"{kind} {', '.join(said)}" for kind, said in clauses.items()),
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _operator(asked: Mapping[str, Any]) -> str:
    if "ComparisonOperator" in asked:
        return str(asked["ComparisonOperator"])
    return "NULL" if asked.get("Exists") is False else "EQ"


def _values(asked: Mapping[str, Any]) -> list[Any]:
    if "Value" in asked:
        return [asked["Value"]]
    return [*(asked.get("AttributeValueList") or ())]


def with_projection(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A read with `AttributesToGet` as one with a projection expression; others as they are."""
    wanted = request.get("AttributesToGet")
    if not wanted or "ProjectionExpression" in request:
        return request
    names = {f"#p{number}": name for number, name in enumerate(wanted)}
    rest = {name: value for name, value in request.items() if name != "AttributesToGet"}
    return rest | {
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
