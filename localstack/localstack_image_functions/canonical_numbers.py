"""DynamoDB's numbers as it keeps them: without exponent, leading zeros and trailing ones. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_CANONICAL = re.compile(r"0|-?[1-9]\d*|-?(0|[1-9]\d*)\.\d*[1-9]", re.ASCII)
_OTHER = re.compile(
    rb'"NS?"\s*:\s*(?:\[[^\]]*)?"-?'
    rb'(?:\+|0\d|\.|\d++(?:\.\d*+)?+[eE]|\d++\.(?:\d*0)?"|(?<=-)0(?:\.0*)?")'
)


def has_others(body: bytes) -> bool:
    """Whether a request, as JSON, may have numbers that are not canonical."""
    return _OTHER.search(body) is not None


def canonical(number: str) -> str:
    """A number as DynamoDB keeps it: without exponent, leading zeros and trailing ones."""
    if _CANONICAL.fullmatch(number):
        return number
    text = f"{Decimal(number):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def with_canonical_numbers(request: Any) -> Any:
    """A request, or a part of one, with every number as DynamoDB keeps it."""
    if isinstance(request, list):
        return [with_canonical_numbers(one) for one in request]
    if not isinstance(request, dict):
        return request
    if len(request) == 1:
        ((kind, content),) = request.items()
        if kind == "N" and isinstance(content, str):
            return {kind: canonical(content)}
        if kind == "NS" and isinstance(content, list):
            return {kind: [canonical(one) for one in content]}
    return {name: with_canonical_numbers(one) for name, one in request.items()}
