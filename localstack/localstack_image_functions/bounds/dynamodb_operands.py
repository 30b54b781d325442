"""Operands of DynamoDB's expressions that it refuses whatever the item is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Path = tuple[str, ...]
"""Names, placeholders of names, and places in brackets."""
Pair = tuple[str, Path, Path]
"""An operator or function, and the two paths that it is between."""
Operand = tuple[str, str]
"""A clause of an update, and a placeholder that stands for a value in it."""

_SIGNS = frozenset("=<>")
_FUNCTIONS = frozenset({"attribute_type", "begins_with", "contains"})
_CLAUSES = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
_TAKES: Mapping[str, frozenset[str]] = {
    "ADD": frozenset({"N", "SS", "NS", "BS"}),
    "DELETE": frozenset({"SS", "NS", "BS"}),
}
_NAMES = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
    "L": "LIST",
    "M": "MAP",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
}


def pairs(words: Sequence[str]) -> tuple[Pair, ...]:
    """All operators and functions of a condition whose operands are two paths."""
    pieces = [*_pieces(words)]
    found: list[Pair] = []
    for place, piece in enumerate(pieces):
        before, after = pieces[place - 1] if place else "", pieces[place + 1 : place + 5]
        if isinstance(piece, str) and piece and piece[0] in _SIGNS:
            if isinstance(before, tuple) and after and isinstance(after[0], tuple):
                found.append((piece, before, after[0]))
        elif isinstance(piece, tuple) and len(piece) == 1 and piece[0].lower() in _FUNCTIONS:
            match after:
                case ["(", tuple(one), ",", tuple(other)]:
                    found.append((piece[0].lower(), one, other))
    return tuple(found)


def _pieces(words: Sequence[str]) -> Iterator[str | Path]:
    """Paths as they are, operators of two signs as one, everything else word by word."""
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word[0] in _SIGNS:
            while place < len(words) and words[place][0] in _SIGNS:
                word += words[place]
                place += 1
            yield word
        elif not (word[0].isalpha() or word[0] in "#_"):
            yield word
        else:
            path = [word]
            while place + 1 < len(words) and words[place] in (".", "["):
                is_place = words[place] == "["
                path.append(f"[{words[place + 1]}]" if is_place else words[place + 1])
                place += 3 if is_place else 2
            yield tuple(path)


def operands(words: Sequence[str]) -> tuple[Operand, ...]:
    """The placeholders of values that an update adds or deletes."""
    clause, found = "", []
    for word, before in zip(words, ["", *words], strict=False):
        if word.upper() in _CLAUSES and before not in (".", ","):
            clause = word.upper()
        elif clause in _TAKES and word[0] == ":":
            found.append((clause, word))
    return tuple(found)


def same_operand(found: Sequence[Pair], names: Mapping[str, str] | None) -> str | None:
    """Why a condition compares something with itself, in DynamoDB's words; None where none does."""
    for operator, one, other in found:
        path = [(names or {}).get(part, part) for part in one]
        if path == [(names or {}).get(part, part) for part in other]:
            return (
                "The first operand must be distinct from the remaining operands for this operator "
                f"or function; operator: {operator}, first operand: [{', '.join(path)}]"
            )
    return None


def wrong_operand(found: Sequence[Operand], values: Mapping[str, Any] | None) -> str | None:
    """Why an update can't add or delete a value, in DynamoDB's words; None where all can be."""
    for clause, placeholder in found:
        kind = next(iter((values or {}).get(placeholder) or ()), None)
        if kind is not None and kind not in _TAKES[clause]:
            return (
                "Incorrect operand type for operator or function; operator: "
                f"{clause}, operand type: {_NAMES[kind]}, typeSet: ALLOWED_FOR_{clause}_OPERAND"
            )
    return None
