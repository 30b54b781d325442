"""What can be said of DynamoDB's expressions before they are calculated."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from localstack_image_functions.bounds.attribute_values import check_value, invalid
from localstack_image_functions.bounds.dynamodb_operands import (
    Operand,
    Pair,
    operands,
    pairs,
    same_operand,
    wrong_operand,
)

LONGEST_EXPRESSION = 4096
EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_WITHOUT_PARENTHESES = ("ProjectionExpression", "UpdateExpression")
_OPERATORS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
_CLAUSES = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
_WORD = re.compile(r"[#:]?[A-Za-z_]\w*|[#:]\w+|\d+|[()]|[^\s]", re.ASCII)
_EXPRESSIONS_KEPT = 256


@dataclass(frozen=True)
class Read:
    """What of an expression can be seen without calculating it."""

    names: frozenset[str]
    """Placeholders of names, `#n`."""
    values: frozenset[str]
    """Placeholders of values, `:v`."""
    keyword: str | None
    """A reserved word that stands for an attribute."""
    is_redundant: bool
    """Whether parentheses stand around nothing but others."""
    pairs: tuple[Pair, ...]
    """Of a condition, what stands between two paths."""
    operands: tuple[Operand, ...]
    """Of an update, what it adds and deletes."""


@functools.lru_cache(_EXPRESSIONS_KEPT)
def read(kind: str, text: str) -> Read:
    """Look at an expression; nothing is said of one that can't be read."""
    words = _WORD.findall(text)
    return Read(
        frozenset(word for word in words if word[0] == "#"),
        frozenset(word for word in words if word[0] == ":"),
        next(_keywords(kind, words), None),
        kind not in _WITHOUT_PARENTHESES and _has_redundant(words),
        () if kind in _WITHOUT_PARENTHESES else pairs(words),
        operands(words) if kind == "UpdateExpression" else (),
    )


def _keywords(kind: str, words: list[str]) -> Iterator[str]:
    operators = _OPERATORS | (_CLAUSES if kind == "UpdateExpression" else frozenset())
    reserved = ReservedKeywords.get_reserved_keywords()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        plain = word.upper()
        if plain in reserved and following != "(" and plain not in operators:
            yield word


def _has_redundant(words: list[str]) -> bool:
    opened: list[int] = []
    pairs: set[tuple[int, int]] = set()
    for place, word in enumerate(words):
        if word == "(":
            opened.append(place)
        elif word == ")" and opened:
            pairs.add((opened.pop(), place))
    return any((start + 1, end - 1) in pairs for start, end in pairs)


def check_expressions(request: Mapping[str, Any], kinds: tuple[str, ...] = EXPRESSIONS) -> None:
    """Refuse expressions that DynamoDB refuses whatever they are asked of.

    Raises
    ------
    CommonServiceException
        When one is empty, too long, has a reserved word or parentheses twice; when placeholders are
        used and not given, or given and not used.
    """
    given = {kind: request[kind] for kind in kinds if request.get(kind) is not None}
    names, values = (
        request.get("ExpressionAttributeNames"),
        request.get("ExpressionAttributeValues"),
    )
    _check_given(request, given, names, values)
    used_names: set[str] = set()
    used_values: set[str] = set()
    for kind, text in given.items():
        _check_text(kind, text)
        found = read(kind, text)
        for missing in sorted(found.names - set(names or ())):
            raise _bad(kind, _undefined("name used in the document path", "name", missing))
        for missing in sorted(found.values - set(values or ())):
            raise _bad(kind, _undefined("value used in expression", "value", missing))
        reason = same_operand(found.pairs, names) or wrong_operand(found.operands, values)
        if reason:
            raise _bad(kind, reason)
        used_names |= found.names
        used_values |= found.values
    _check_unused("Names", names, used_names)
    _check_unused("Values", values, used_values)


def _undefined(where: str, what: str, missing: str) -> str:
    return f"An expression attribute {where} is not defined; attribute {what}: {missing}"


def _check_given(
    request: Mapping[str, Any], given: Mapping[str, str], names: Any, values: Any
) -> None:
    if names is not None and not given:
        raise invalid("ExpressionAttributeNames can only be specified when using expressions")
    if values is not None and not given:
        raise invalid(
            "ExpressionAttributeValues can only be specified when using expressions: "
            f"{_expression_for(request)} is null"
        )
    if names == {}:
        raise invalid("ExpressionAttributeNames must not be empty")
    if values == {}:
        raise invalid("ExpressionAttributeValues must not be empty")
    for placeholder, value in (values or {}).items():
        if not placeholder.startswith(":"):
            raise invalid(
                "ExpressionAttributeValues contains invalid key: Syntax error; key: "
                f'"{placeholder}"'
            )
        check_value(value)
    for placeholder in names or ():
        if not placeholder.startswith("#"):
            raise invalid(
                f'ExpressionAttributeNames contains invalid key: Syntax error; key: "{placeholder}"'
            )


def _expression_for(request: Mapping[str, Any]) -> str:
    if "Key" in request and "AttributeUpdates" in request:
        return "UpdateExpression"
    return "ConditionExpression" if "Item" in request or "Key" in request else "FilterExpression"


def _check_text(kind: str, text: str) -> None:
    if not text.strip():
        raise _bad(kind, "The expression can not be empty;")
    if len(text.encode()) > LONGEST_EXPRESSION:
        raise _bad(
            kind,
            "Expression size has exceeded the maximum allowed size; expression size: "
            f"{len(text.encode())}",
        )
    found = read(kind, text)
    if found.keyword:
        raise _bad(kind, f"Attribute name is a reserved keyword; reserved keyword: {found.keyword}")
    if found.is_redundant:
        raise _bad(kind, "The expression has redundant parentheses;")


def _bad(kind: str, reason: str) -> Exception:
    return invalid(f"Invalid {kind}: {reason}")


def _check_unused(what: str, given: Mapping[str, Any] | None, used: set[str]) -> None:
    unused = sorted(set(given or ()) - used)
    if unused:
        raise invalid(
            f"Value provided in ExpressionAttribute{what} unused in expressions: keys: "
            f"{{{', '.join(unused)}}}"
        )
