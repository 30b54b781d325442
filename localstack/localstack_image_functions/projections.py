"""Projections of DynamoDB with elements of lists, which moto takes for names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")

Path = list[str | int]
Wanted = dict[str | int, Any]
"""What is asked for below a value, by name or place; None: all of it."""


def has_elements(request: Mapping[str, Any]) -> bool:
    """Whether a read asks for elements of lists."""
    return "[" in (request.get("ProjectionExpression") or "")


def projected(item: Mapping[str, Any], expression: str, names: Mapping[str, str]) -> dict[str, Any]:
    """What a projection leaves of an item: maps keep their names, lists their order."""
    wanted: Wanted = {}
    for said in expression.split(","):
        path = _path(said.strip(), names)
        below: Any = wanted
        for part in path[:-1]:
            below = below.setdefault(part, {}) if below is not None else None
        if below is not None:
            below[path[-1]] = None
    return _kept({"M": item}, wanted).get("M", {})


def _path(said: str, names: Mapping[str, str]) -> Path:
    return [int(place) if place else names.get(name, name) for place, name in _PART.findall(said)]


def _kept(value: Mapping[str, Any], wanted: Wanted | None) -> dict[str, Any]:
    """Empty where nothing of it was asked for."""
    if wanted is None:
        return dict(value)
    if "M" in value:
        found = {
            name: kept
            for name, below in wanted.items()
            if name in value["M"] and (kept := _kept(value["M"][name], below))
        }
        return {"M": found} if found else {}
    places = sorted(place for place in wanted if isinstance(place, int))
    elements = value.get("L", ())
    kept_elements = [
        kept
        for place in places
        if place < len(elements) and (kept := _kept(elements[place], wanted[place]))
    ]
    return {"L": kept_elements} if kept_elements else {}
