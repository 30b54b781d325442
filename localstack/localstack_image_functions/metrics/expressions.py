"""Metric math, the common part of it: arithmetic and a few functions over the query's results.

A series is a dictionary of period beginnings to values, a number stands for itself.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

Series = dict[int, float]
Value = Series | float | list[Series]

_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type, Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OF_SEVERAL: dict[str, Callable[[list[float]], float]] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
_OF_ONE: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
}
KNOWN = "+ - * / ^, comparisons, METRICS, SUM, AVG, MIN, MAX, ABS, CEIL, FLOOR, FILL, IF"


class UnsupportedExpression(Exception):
    """The expression says something that is not calculated here; the message says what is."""

    def __init__(self, expression: str) -> None:
        super().__init__(f"Error in expression {expression!r}: calculated here are {KNOWN}")


def evaluate(expression: str, known: Mapping[str, Series], beginnings: list[int]) -> Series:
    """Calculate an expression over the series `known` by their ids.

    `beginnings` are those of all periods asked for, for what fills gaps.

    Raises
    ------
    UnsupportedExpression
        When it can't be read, or is not calculated here.
    """
    try:
        tree = ast.parse(expression.replace("^", "**").strip(), mode="eval")
        value = _Evaluation(known, beginnings).of(tree.body)
    except (SyntaxError, KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise UnsupportedExpression(expression) from error
    if isinstance(value, list):
        raise UnsupportedExpression(expression)
    if not isinstance(value, dict):  # a number: as often as there are periods
        return dict.fromkeys(beginnings, float(value))
    return value


class _Evaluation:
    def __init__(self, known: Mapping[str, Series], beginnings: list[int]) -> None:
        self._known = known
        self._beginnings = beginnings

    def of(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self._known[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _combine(operator.sub, 0.0, self.of(operand))
            case ast.BinOp(left=left, op=op, right=right):
                return _combine(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _combine(_COMPARISONS[type(op)], self.of(left), self.of(right))
            case ast.List(elts=elements):
                return [_series(self.of(one)) for one in elements]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name.upper(), [*arguments])
        raise ValueError(ast.dump(node))

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "METRICS" and len(arguments) <= 1:
            part = ast.literal_eval(arguments[0]) if arguments else ""
            return [series for key, series in self._known.items() if part in key]
        values = [self.of(one) for one in arguments]
        if name in _OF_ONE:
            return {at: float(_OF_ONE[name](one)) for at, one in _series(values[0]).items()}
        if name in _OF_SEVERAL and len(values) == 1:
            return _summary(_OF_SEVERAL[name], values[0])
        if name == "FILL":
            return self._fill(_series(values[0]), values[1])
        if name == "IF":
            return self._choose(*values)
        raise ValueError(name)

    def _fill(self, series: Series, filling: Value) -> Series:
        """FILL(m, REPEAT) and FILL(m, LINEAR) are names of nothing here, and so refused."""
        return {at: series[at] if at in series else _at(filling, at) for at in self._beginnings}

    def _choose(self, condition: Value, then: Value, otherwise: Value = 0.0) -> Series:
        return {
            at: _at(then if is_so else otherwise, at) for at, is_so in _series(condition).items()
        }


def _series(value: Value) -> Series:
    if not isinstance(value, dict):
        raise TypeError("not a time series")
    return value


def _at(value: Value, when: int) -> float:
    return _series(value)[when] if not isinstance(value, float) else value


def _combine(operation: Callable[[float, float], Any], left: Value, right: Value) -> Value:
    """Where both have a value; a division by zero has none, as on AWS."""
    if isinstance(left, list) or isinstance(right, list):
        raise TypeError("an array can't be combined")
    if not isinstance(left, dict) and not isinstance(right, dict):
        return float(operation(left, right))
    times = [one.keys() for one in (left, right) if isinstance(one, dict)]
    common = times[0] & times[-1]
    result: Series = {}
    for when in sorted(common):
        try:
            result[when] = float(operation(_at(left, when), _at(right, when)))
        except ZeroDivisionError:
            continue
    return result


def _summary(summary: Callable[[list[float]], float], value: Value) -> Value:
    """Of an array: a series, period by period. Of a series: a number."""
    if isinstance(value, dict):
        return float(summary(list(value.values())))
    if isinstance(value, float):
        raise TypeError("a number has no summary")
    times = sorted({when for series in value for when in series})
    return {
        when: float(summary([series[when] for series in value if when in series])) for when in times
    }
