"""How DynamoDB compares values: by their type first, numbers exactly, binaries by their bytes.

moto takes numbers for floating point, also where one is subtracted, compares binaries by their
base64, takes `true` for 1, and fails where a text is asked to be smaller than a number.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from moto.dynamodb import comparisons
from moto.dynamodb.models.dynamo_type import DynamoType

from localstack_image_functions.canonical_numbers import canonical

_EXACT = Context(prec=60)  # DynamoDB has 38 digits
_STARTS = ("S", "B")
_SIZED = ("S", "B", "SS", "NS", "BS", "L", "M")
_CONTAINERS = ("S", "B", "SS", "NS", "BS", "L")


@functools.cache
def compare_as_documented() -> None:
    """Let moto's keys be sorted, its conditions be decided and its sums be calculated so."""
    DynamoType.__add__ = _exactly(DynamoType.__add__, _EXACT.add)
    DynamoType.__sub__ = _exactly(DynamoType.__sub__, _EXACT.subtract)
    DynamoType.cast_value = property(lambda self: _plain(self.type, self.value))
    comparisons.AttributeValue.expr = lambda self, _item: _plain(self.type, self.value)
    for operation, unlike in (
        (comparisons.OpEqual, False),
        (comparisons.OpNotEqual, True),
        (comparisons.OpLessThan, False),
        (comparisons.OpLessThanOrEqual, False),
        (comparisons.OpGreaterThan, False),
        (comparisons.OpGreaterThanOrEqual, False),
    ):
        operation.expr = _of_one_type(operation.expr, unlike)
    comparisons.FuncBetween.expr = _between
    comparisons.FuncBeginsWith.expr = _begins_with
    comparisons.FuncContains.expr = _contains
    comparisons.FuncIn.expr = _is_in


def _exactly(
    original: Callable[..., Any], calculate: Callable[[Decimal, Decimal], Decimal]
) -> Callable[..., Any]:
    """Of two numbers; what else can't be calculated moto says."""

    @functools.wraps(original)
    def calculated(self: DynamoType, other: DynamoType) -> Any:
        if not (self.is_number() and other.is_number()):
            return original(self, other)
        result = calculate(Decimal(self.value), Decimal(other.value))
        return DynamoType({"N": canonical(str(result))})

    return calculated


def _plain(kind: str, value: Any) -> Any:
    """A value of DynamoDB as one of Python's that is compared in the same way."""
    if kind == "S":
        return value
    if kind == "N":
        return int(value) if value.isdecimal() else Decimal(value)
    if kind == "B":
        return base64.b64decode(value) if isinstance(value, str) else value
    if kind == "NULL":
        return None
    if kind in ("SS", "NS", "BS"):
        return {_plain(kind[0], one) for one in value}
    if kind == "L":
        return [_tagged(one) for one in value]
    if kind == "M":
        return {name: _tagged(one) for name, one in value.items()}
    return value


def _tagged(value: Any) -> tuple[str, Any]:
    """What is in a list or a map, with its type: true is not 1."""
    if isinstance(value, DynamoType):
        return value.type, _plain(value.type, value.value)
    ((kind, content),) = value.items()
    return kind, _plain(kind, content)


def _type(operand: Any, item: Any) -> str | None:
    """None where there is nothing to compare: an attribute that is not there, or has no size."""
    if not isinstance(operand, comparisons.FuncSize):
        kind: str | None = operand.get_type(item)
        return kind
    return "N" if operand.attr.get_type(item) in _SIZED else None


def _of_one_type(expr: Callable[..., bool], unlike: bool) -> Callable[..., bool]:
    """A comparison; `unlike` is what it says of values of two types."""

    @functools.wraps(expr)
    def compared(self: Any, item: Any) -> bool:
        kind = _type(self.lhs, item)
        if kind is None or kind != _type(self.rhs, item):
            return unlike
        return expr(self, item)

    return compared


def _between(self: Any, item: Any) -> bool:
    kinds = {_type(one, item) for one in (self.attr, self.start, self.end)}
    if len(kinds) > 1 or None in kinds:
        return False
    return bool(self.start.expr(item) <= self.attr.expr(item) <= self.end.expr(item))


def _begins_with(self: Any, item: Any) -> bool:
    kind = self.attr.get_type(item)
    if kind not in _STARTS or self.substr.get_type(item) != kind:
        return False
    return bool(self.attr.expr(item).startswith(self.substr.expr(item)))


def _contains(self: Any, item: Any) -> bool:
    kind, asked = self.attr.get_type(item), self.operand.get_type(item)
    if kind not in _CONTAINERS or asked is None:
        return False
    if kind == "L":
        return (asked, self.operand.expr(item)) in self.attr.expr(item)
    return asked == kind[0] and self.operand.expr(item) in self.attr.expr(item)


def _is_in(self: Any, item: Any) -> bool:
    kind = _type(self.attr, item)
    if kind is None:
        return False
    value = self.attr.expr(item)
    return any(_type(one, item) == kind and one.expr(item) == value for one in self.possible_values)
