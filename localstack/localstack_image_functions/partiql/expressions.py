"""Conditions and values of a statement, as DynamoDB's expressions say them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from localstack_image_functions.partiql.tokens import (
    NAME,
    NUMBER,
    STRING,
    WORD,
    NotWellFormed,
    Words,
    not_well_formed,
)

Value = dict[str, Any]
Path = tuple[str | int, ...]

_COMPARES = ("=", "<>", "!=", "<", "<=", ">", ">=")
_FUNCTIONS = {
    "BEGINS_WITH": "begins_with",
    "CONTAINS": "contains",
    "ATTRIBUTE_TYPE": "attribute_type",
    "SIZE": "size",
    "LIST_APPEND": "list_append",
    "IF_NOT_EXISTS": "if_not_exists",
}
_LITERALS: dict[str, Value] = {
    "TRUE": {"BOOL": True},
    "FALSE": {"BOOL": False},
    "NULL": {"NULL": True},
}


@dataclass
class Placed:
    """Names and values that an expression has placeholders for."""

    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    def value(self, value: Value) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def path(self, path: Path) -> str:
        said = ""
        for part in path:
            if isinstance(part, int):
                said += f"[{part}]"
                continue
            known = (key for key, name in self.names.items() if name == part)
            placeholder = next(known, None) or f"#n{len(self.names)}"
            self.names[placeholder] = part
            said += f".{placeholder}" if said else placeholder
        return said


class StatementReader:
    """Reads the parts that statements have in common."""

    def __init__(self, words: Words, parameters: Sequence[Value]) -> None:
        self.words = words
        self.placed = Placed()
        self.equalities: dict[str, Value] = {}
        """What attributes must equal for the whole condition to hold."""
        self._parameters = [*parameters]
        self._asked = 0

    def check_parameters(self) -> None:
        """Look whether all parameters were asked for.

        Raises
        ------
        NotWellFormed
            When some were not.
        """
        if self._asked != len(self._parameters):
            raise NotWellFormed("Number of parameters in request and statement don't match.")

    # Names and values

    def name(self) -> str:
        """The name that comes next.

        Raises
        ------
        NotWellFormed
            When something else does.
        """
        if self.words.next.kind not in (NAME, WORD):
            raise not_well_formed(self.words.next)
        return self.words.take().text

    def path(self) -> Path:
        """The path that comes next.

        Raises
        ------
        NotWellFormed
            When something else does.
        """
        parts: list[str | int] = [self.name()]
        while sign := self.words.takes_sign(".", "["):
            if sign == ".":
                parts.append(self.name())
            else:
                if self.words.next.kind != NUMBER:
                    raise not_well_formed(self.words.next)
                parts.append(int(self.words.take().text))
                self.words.must_sign("]")
        return tuple(parts)

    def value(self) -> Value | None:
        """A literal or parameter; None where something else comes next.

        Raises
        ------
        NotWellFormed
            When there are fewer parameters, or a list, set or map does not end.
        """
        words = self.words
        if words.takes_sign("?"):
            if self._asked >= len(self._parameters):
                raise NotWellFormed("Number of parameters in request and statement don't match.")
            self._asked += 1
            return self._parameters[self._asked - 1]
        if words.next.kind == STRING:
            return {"S": words.take().text}
        if words.next.kind == NUMBER:
            return {"N": words.take().text}
        if words.takes_sign("-"):
            return {"N": f"-{words.take().text}"}
        if words.next.kind == WORD and words.next.text.upper() in _LITERALS:
            return _LITERALS[words.take().text.upper()]
        if words.takes_sign("["):
            return {"L": self._several("]", self._needed)}
        if words.takes_sign("<<"):
            return _set(self._several(">>", self._needed))
        if words.takes_sign("{"):
            return {"M": dict(self._several("}", self._member))}
        return None

    def _needed(self) -> Value:
        value = self.value()
        if value is None:
            raise not_well_formed(self.words.next)
        return value

    def _member(self) -> tuple[str, Value]:
        if self.words.next.kind not in (STRING, NAME):
            raise not_well_formed(self.words.next)
        name = self.words.take().text
        self.words.must_sign(":")
        return name, self._needed()

    def _several(self, end: str, read: Callable[[], Any]) -> list[Any]:
        found: list[Any] = []
        if self.words.takes_sign(end):
            return found
        found.append(read())
        while self.words.takes_sign(","):
            found.append(read())
        self.words.must_sign(end)
        return found

    # Conditions

    def condition(self) -> str:
        """All of a WHERE clause."""
        said, whole = self._either(is_whole=True)
        if not whole:
            self.equalities.clear()
        return said

    def _either(self, is_whole: bool = False) -> tuple[str, bool]:
        said = [self._all(is_whole)]
        while self.words.takes("OR"):
            said.append(self._all(False))
        return " OR ".join(said), len(said) == 1

    def _all(self, is_whole: bool) -> str:
        said = [self._one(is_whole)]
        while self.words.takes("AND"):
            said.append(self._one(is_whole))
        return " AND ".join(said)

    def _one(self, is_whole: bool) -> str:
        if self.words.takes("NOT"):
            return f"NOT {self._one(False)}"
        if self.words.takes_sign("("):
            said, _ = self._either()
            self.words.must_sign(")")
            return f"({said})"
        return self._predicate(is_whole)

    def _predicate(self, is_whole: bool) -> str:
        words, function = self.words, self._function()
        if function and not function.startswith("size"):
            return function
        path = () if function else self.path()
        left = function or self.placed.path(path)
        if sign := words.takes_sign(*_COMPARES):
            value = self.value()
            if is_whole and sign == "=" and value is not None and len(path) == 1:
                self.equalities[str(path[0])] = value
            right = self.operand() if value is None else self.placed.value(value)
            return f"{left} {'<>' if sign == '!=' else sign} {right}"
        if words.takes("BETWEEN"):
            low = self.operand()
            words.must("AND")
            return f"{left} BETWEEN {low} AND {self.operand()}"
        negated = "NOT " if words.takes("NOT") else ""
        if words.takes("IN"):
            end = {"[": "]", "(": ")"}.get(words.takes_sign("[", "(") or "")
            if end is None:
                raise not_well_formed(words.next)
            return f"{negated}{left} IN ({', '.join(self._several(end, self.operand))})"
        words.must("IS")
        return self._is(left)

    def _is(self, left: str) -> str:
        negated = self.words.takes("NOT")
        if self.words.takes("MISSING"):
            return f"attribute_{'' if negated else 'not_'}exists({left})"
        self.words.must("NULL")
        said = f"attribute_type({left}, {self.placed.value({'S': 'NULL'})})"
        return f"NOT {said}" if negated else said

    def operand(self) -> str:
        value = self.value()
        if value is not None:
            return self.placed.value(value)
        return self._function() or self.placed.path(self.path())

    def _function(self) -> str | None:
        for word, name in _FUNCTIONS.items():
            if self.words.is_word(word):
                self.words.take()
                self.words.must_sign("(")
                return f"{name}({', '.join(self._several(')', self.operand))})"
        return None


def _set(members: list[Value]) -> Value:
    kinds = {kind for member in members for kind in member}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise NotWellFormed("A set has strings, numbers or binaries, of one kind, and at least one")
    (kind,) = kinds
    return {f"{kind}S": [member[kind] for member in members]}
