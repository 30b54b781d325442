"""What DynamoDB takes as an attribute's value, and how large an item is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from localstack.aws.api import CommonServiceException

LARGEST_ITEM = 400 * 1024
DEEPEST_VALUE = 32
MOST_DIGITS = 38
LARGEST_MAGNITUDE, SMALLEST_MAGNITUDE = Decimal("1E+126"), Decimal("1E-130")
_SETS = {"SS": "string", "NS": "number", "BS": "binary"}
_COMPOUND_OVERHEAD = 3
"""Bytes that a list or a map counts beside what is in it."""

Value = Mapping[str, Any]


def invalid(message: str) -> CommonServiceException:
    """What DynamoDB answers to a request that it can't follow."""
    return CommonServiceException("ValidationException", message, sender_fault=True)


def wrong_value(reason: str) -> CommonServiceException:
    """What it answers to a parameter that it can't take."""
    return invalid(f"One or more parameter values were invalid: {reason}")


def check_item(item: Mapping[str, Value]) -> None:
    """Refuse an item with a value that is none, or one that is too large.

    Raises
    ------
    CommonServiceException
        Then.
    """
    for value in item.values():
        check_value(value)
    if item_size(item) > LARGEST_ITEM:
        raise invalid("Item size has exceeded the maximum allowed size")


def check_value(value: Value, depth: int = 0) -> None:
    """Refuse what is no value of an attribute; `depth` is the number of lists and maps around it.

    Raises
    ------
    CommonServiceException
        When it has no type or two, or what its type does not take.
    """
    if len(value) != 1:
        many = "has more than one datatypes set" if value else "is empty"
        raise invalid(
            f"Supplied AttributeValue {many}, must contain exactly one of the supported datatypes"
        )
    if depth > DEEPEST_VALUE:
        raise invalid("Nesting Levels have exceeded supported limits")
    ((kind, content),) = value.items()
    if kind == "N":
        read_number(content)
    elif kind in _SETS:
        _check_set(kind, content)
    elif kind == "NULL" and content is not True:
        raise wrong_value("Null attribute value types must have the value of true")
    elif kind == "L":
        for one in content:
            check_value(one, depth + 1)
    elif kind == "M":
        for one in content.values():
            check_value(one, depth + 1)


def read_number(text: str) -> Decimal:
    """A number, which may have 38 digits and lies within DynamoDB's range.

    Raises
    ------
    CommonServiceException
        When it does not.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or text.strip() != text or "_" in text:
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    digits = len("".join(map(str, number.as_tuple().digits)).strip("0"))
    if digits > MOST_DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if abs(number) >= LARGEST_MAGNITUDE:
        raise invalid(_magnitude("overflow", "larger"))
    if number and abs(number) < SMALLEST_MAGNITUDE:
        raise invalid(_magnitude("underflow", "smaller"))
    return number


def _magnitude(what: str, than: str) -> str:
    return f"Number {what}. Attempting to store a number with magnitude {than} than supported range"


def _check_set(kind: str, content: Any) -> None:
    if not content:
        raise wrong_value(f"An {_SETS[kind]} set  may not be empty")  # as AWS spells it
    members = [read_number(one) for one in content] if kind == "NS" else list(content)
    if len(set(members)) < len(members):
        if kind == "BS":
            raise wrong_value("Input collection contains duplicates.")
        raise wrong_value(f"Input collection [{', '.join(content)}] contains duplicates.")


def item_size(item: Mapping[str, Value]) -> int:
    """Bytes, as DynamoDB counts them."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Value) -> int:
    ((kind, content),) = value.items()
    if kind == "L":
        return _COMPOUND_OVERHEAD + sum(1 + _value_size(one) for one in content)
    if kind == "M":
        return _COMPOUND_OVERHEAD + len(content) + item_size(content)
    if kind in _SETS:
        return sum(_scalar_size(kind[0], one) for one in content)
    return _scalar_size(kind, content)


def _scalar_size(kind: str, content: Any) -> int:
    if kind == "N":
        return 1 + (len(content.strip("+-").replace(".", "")) + 1) // 2
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(base64.b64decode(content) if isinstance(content, str) else content)
    return 1
