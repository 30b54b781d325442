"""DynamoDB's condition and update expressions, as far as the stores use them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

Item = dict[str, dict[str, Any]]
Scope = tuple[Item, dict[str, str], dict[str, Any]]
TOKEN = re.compile(r"\s*([A-Za-z_][\w.]*|[#:][\w]+|<>|<=|>=|[=<>(),+-])")


class Unsupported(AssertionError):
    """An expression that the simulated table does not know. Teach it here."""


def _plain(value: dict[str, Any] | None) -> Any:
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind == "N":
        return float(content)
    return set(content) if kind in ("SS", "NS") else content


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise Unsupported(text)
        self.text = text

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, expected: str = "") -> str:
        if not self.tokens or (expected and self.tokens[0].upper() != expected):
            raise Unsupported(f"{self.text!r} at {self.tokens[:3]}")
        return self.tokens.pop(0)

    # --- operands: Scope -> typed value or None

    def operand(self) -> Callable[[Scope], dict[str, Any] | None]:
        token = self.take()
        if token == "if_not_exists":
            self.take("(")
            first = self.operand()
            self.take(",")
            other = self.operand()
            self.take(")")
            return lambda s: first(s) if first(s) is not None else other(s)
        if token.startswith(":"):
            return lambda s: s[2][token]
        if token.startswith("#"):
            return lambda s: s[0].get(s[1][token])
        return lambda s: s[0].get(token)

    def sum(self) -> Callable[[Scope], dict[str, Any] | None]:
        left = self.operand()
        if self.peek() in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
            right = self.operand()
            return lambda s: {"N": str(int(_plain(left(s)) + sign * _plain(right(s))))}
        return left

    # --- conditions

    def condition(self) -> Callable[[Scope], bool]:
        left = self.conjunction()
        while self.peek().upper() == "OR":
            self.take()
            left = _either(left, self.conjunction())
        return left

    def conjunction(self) -> Callable[[Scope], bool]:
        left = self.term()
        while self.peek().upper() == "AND":
            self.take()
            left = _both(left, self.term())
        return left

    def term(self) -> Callable[[Scope], bool]:
        token = self.peek()
        if token == "(":
            self.take()
            inside = self.condition()
            self.take(")")
            return inside
        if token.upper() == "NOT":
            self.take()
            negated = self.term()
            return lambda s: not negated(s)
        if token in ("attribute_exists", "attribute_not_exists"):
            self.take()
            self.take("(")
            name = self.operand()
            self.take(")")
            return lambda s: (name(s) is not None) == (token == "attribute_exists")
        if token in ("contains", "begins_with"):
            self.take()
            self.take("(")
            holder = self.operand()
            self.take(",")
            part = self.operand()
            self.take(")")
            if token == "contains":
                return lambda s: holder(s) is not None and _plain(part(s)) in _plain(holder(s))
            return lambda s: holder(s) is not None and _plain(holder(s)).startswith(_plain(part(s)))
        return self.comparison()

    def comparison(self) -> Callable[[Scope], bool]:
        left, sign, right = self.operand(), self.take(), self.operand()
        if sign not in _COMPARE:
            raise Unsupported(self.text)
        compare = _COMPARE[sign]

        def holds(scope: Scope) -> bool:
            a, b = _plain(left(scope)), _plain(right(scope))
            # DynamoDB: a comparison with what is not there does not hold.
            return a is not None and b is not None and compare(a, b)

        return holds


def _either(a: Callable[[Scope], bool], b: Callable[[Scope], bool]) -> Callable[[Scope], bool]:
    return lambda s: a(s) or b(s)


def _both(a: Callable[[Scope], bool], b: Callable[[Scope], bool]) -> Callable[[Scope], bool]:
    return lambda s: a(s) and b(s)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


@functools.cache
def condition(text: str) -> Callable[[Scope], bool]:
    parser = _Parser(text)
    made = parser.condition()
    if parser.tokens:
        raise Unsupported(text)
    return made


@functools.cache
def update(text: str) -> Callable[[Scope], Item]:
    """What the expression makes of an item: a new one."""
    parser = _Parser(text)
    actions: list[Callable[[Scope, Item], None]] = []
    while parser.tokens:
        verb = parser.take().upper()
        while True:
            actions.append(_action(verb, parser))
            if parser.peek() != ",":
                break
            parser.take()

    def apply(scope: Scope) -> Item:
        changed = dict(scope[0])
        for action in actions:
            action(scope, changed)
        return changed

    return apply


def _action(verb: str, parser: _Parser) -> Callable[[Scope, Item], None]:
    name = parser.take()
    if verb == "REMOVE":
        return lambda s, item: item.pop(_name(name, s), None)
    if verb == "SET":
        parser.take("=")
        value = parser.sum()
        return lambda s, item: item.__setitem__(_name(name, s), value(s))
    if verb not in ("ADD", "DELETE"):
        raise Unsupported(parser.text)
    value = parser.operand()
    return lambda s, item: _change(verb, item, _name(name, s), value(s))


def _name(token: str, scope: Scope) -> str:
    return scope[1][token] if token.startswith("#") else token


def _change(verb: str, item: Item, name: str, value: Any) -> None:
    ((kind, content),) = value.items()
    if kind == "N" and verb == "ADD":
        item[name] = {"N": str(int(_plain(item.get(name)) or 0) + int(content))}
        return
    held = set(_plain(item.get(name)) or ())
    held = held | set(content) if verb == "ADD" else held - set(content)
    if held:
        item[name] = {kind: sorted(held)}
    else:
        item.pop(name, None)
