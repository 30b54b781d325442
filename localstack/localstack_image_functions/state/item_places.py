"""Where the row of a DynamoDB item lies among those of its table: they sort as their keys do."""

from __future__ import annotations

import base64
import json
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Protocol


class Typed(Protocol):
    """A value as moto has it: type `N`, value "1"."""

    type: str
    value: Any


SEPARATOR = "\x01"
"""Between hash and range key; below every character of either."""
AFTER_SEPARATOR = "\x02"
_ESCAPES = str.maketrans({"\x00": "\x02\x01", "\x01": "\x02\x02", "\x02": "\x02\x03"})
_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_EXPONENTS_FROM = 500
_EXACT = Context(prec=60)  # DynamoDB has 38 digits


def place_of(hash_key: Typed, range_key: Typed | None = None) -> str:
    """Where an item's row is among those of its table."""
    if range_key is None:
        return _sortable(hash_key.type, hash_key.value)
    return SEPARATOR.join(_sortable(one.type, one.value) for one in (hash_key, range_key))


def place_from_format_1(key: str) -> str:
    """The place of a row whose key was written as a list of types and values."""
    return SEPARATOR.join(_sortable(kind, value) for kind, value in json.loads(key))


def _sortable(kind: str, value: Any) -> str:
    """Text that sorts as values of a key do: numbers by size, anything else by character."""
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    return _sortable_number(str(value)) if kind == "N" else str(value).translate(_ESCAPES)


def _sortable_number(text: str) -> str:
    try:
        number = Decimal(text).normalize(_EXACT)
    except InvalidOperation:
        return text.translate(_ESCAPES)
    sign, digits, _ = number.as_tuple()
    if not number:
        return "1"
    size = f"{number.adjusted() + _EXPONENTS_FROM:04d}" + "".join(map(str, digits))
    # Of two negative numbers the one with more digits is the smaller: "~" is above all digits.
    return "0" + size.translate(_COMPLEMENT) + "~" if sign else "2" + size
