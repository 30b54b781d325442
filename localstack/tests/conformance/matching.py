"""Is an answer what was expected? A part of it suffices, as services add fields.

An expectation is a value (equal), names with values (each of them; others may be there), a list
(as long, in this order) or a matcher, all of whose conditions must hold:

    {$present: true} {$absent: true} {$type: string} {$regex: "…"} {$length: 3} {$min: 1} {$max: 9}
    {$json: …} (a string that is JSON) {$contains: [… , …]} (items of a list, in any order)
    {$not: …} {$any_of: [… , …]}
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

MISSING = object()
_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "list": list,
    "map": dict,
    "timestamp": datetime.datetime,
}


def mismatch(expected: Any, got: Any, place: str = "answer") -> str | None:
    """The first difference in words; None when there is none."""
    if isinstance(expected, Mapping):
        if expected.keys() & _CONDITIONS.keys():
            return _conditions(expected, got, place)
        return _names(expected, got, place)
    if isinstance(expected, list):
        return _items(expected, got, place)
    if got is MISSING:
        return f"{place} is missing"
    if isinstance(expected, bool) or isinstance(got, bool):
        return None if expected is got else f"{place} is {_short(got)}, not {expected}"
    return None if expected == got else f"{place} is {_short(got)}, not {_short(expected)}"


def _names(expected: Mapping[str, Any], got: Any, place: str) -> str | None:
    if not isinstance(got, Mapping):
        return f"{place} is {_short(got)}, not a map"
    for name, value in expected.items():
        found = mismatch(value, got.get(name, MISSING), f"{place}.{name}")
        if found:
            return found
    return None


def _items(expected: list[Any], got: Any, place: str) -> str | None:
    if not isinstance(got, list) or len(got) != len(expected):
        return f"{place} is {_short(got)}, not a list of {len(expected)}"
    for number, value in enumerate(expected):
        found = mismatch(value, got[number], f"{place}[{number}]")
        if found:
            return found
    return None


def _conditions(expected: Mapping[str, Any], got: Any, place: str) -> str | None:
    for name, value in expected.items():
        if name == "$absent":
            found = _CONDITIONS[name](value, got, place)
        elif got is MISSING:
            found = f"{place} is missing"
        else:
            found = _CONDITIONS[name](value, got, place)
        if found:
            return found
    return None


def _contains(expected: list[Any], got: Any, place: str) -> str | None:
    for value in expected:
        if not isinstance(got, list) or all(mismatch(value, one) for one in got):
            return f"{place} has no {_short(value)}: {_short(got)}"
    return None


def _json(expected: Any, got: Any, place: str) -> str | None:
    try:
        read = json.loads(got)
    except (TypeError, ValueError):
        return f"{place} is no JSON: {_short(got)}"
    return mismatch(expected, read, f"{place}(JSON)")


def _when(holds: Callable[[Any, Any], bool], says: str) -> Callable[[Any, Any, str], str | None]:
    def condition(expected: Any, got: Any, place: str) -> str | None:
        if holds(expected, got):
            return None
        return f"{place} is {_short(got)}: not {says} {_short(expected)}"

    return condition


def _is_a(expected: str, got: Any) -> bool:
    if isinstance(got, bool):
        return expected == "boolean"
    return isinstance(got, _TYPES[expected])


_CONDITIONS: dict[str, Callable[[Any, Any, str], str | None]] = {
    "$absent": lambda _expected, got, place: (
        None if got is MISSING else f"{place} is there: {_short(got)}"
    ),
    "$present": lambda _expected, _got, _place: None,
    "$type": _when(_is_a, "a"),
    "$regex": _when(lambda expected, got: bool(re.search(expected, str(got))), "like"),
    "$length": _when(
        lambda expected, got: hasattr(got, "__len__") and len(got) == expected, "as long as"
    ),
    "$min": _when(lambda expected, got: got >= expected, "at least"),
    "$max": _when(lambda expected, got: got <= expected, "at most"),
    "$not": _when(lambda expected, got: mismatch(expected, got) is not None, "different from"),
    "$any_of": _when(
        lambda expected, got: any(mismatch(one, got) is None for one in expected), "one of"
    ),
    "$contains": _contains,
    "$json": _json,
}


def _short(value: Any) -> str:
    said = "missing" if value is MISSING else repr(value)
    return said if len(said) <= 200 else f"{said[:200]}…"
