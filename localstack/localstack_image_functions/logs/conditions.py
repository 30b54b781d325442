"""`selector operator value`, joined by `&&` and `||`: what JSON and field patterns share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localstack_image_functions.logs.errors import InvalidPattern
from localstack_image_functions.logs.notation import regular, unescaped

Test = Callable[[Any], bool]
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<joint>&&|\|\|)
    | (?P<operator>!=|<=|>=|=|<|>)
    | (?P<bracket>[()])
    | "(?P<quoted>(?:\\.|[^"\\])*)"
    | %(?P<regex>[^%]+)%
    | (?P<word>[^\s&|()=<>!"%,]+)
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "<": lambda value, wanted: value < wanted,
    ">": lambda value, wanted: value > wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">=": lambda value, wanted: value >= wanted,
}


@dataclass(frozen=True)
class Token:
    """`kind` is a group of the expression above, `text` what stood there."""

    kind: str
    text: str


class Tokens:
    """The tokens of one pattern, read from the left.

    Raises
    ------
    InvalidPattern
        When a part of the text begins no token.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[Token] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise InvalidPattern(f"The pattern can't be read from {text[place:]!r} on.")
            self._tokens.append(Token(found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def peek(self) -> Token | None:
        return self._tokens[0] if self._tokens else None

    def take(self, *kinds: str) -> Token:
        """The next token, which must be of one of these kinds (any, without kinds).

        Raises
        ------
        InvalidPattern
            When there is none, or one of another kind.
        """
        if not self._tokens or (kinds and self._tokens[0].kind not in kinds):
            raise self.unreadable()
        return self._tokens.pop(0)

    def takes(self, *texts: str) -> bool:
        """Take the next token when it is one of these words (any case), signs or brackets."""
        following = self.peek()
        if following and following.kind != "quoted" and following.text.upper() in texts:
            self._tokens.pop(0)
            return True
        return False

    def unreadable(self) -> InvalidPattern:
        rest = " ".join(token.text for token in self._tokens) or "its end"
        return InvalidPattern(f"The pattern {self._text.strip()!r} can't be read from {rest} on.")


def comparison(tokens: Tokens) -> Test:
    """`operator value`: a test of what the selector finds."""
    operator = tokens.take("operator").text
    wanted = tokens.take("quoted", "regex", "word")
    if wanted.kind == "regex":
        expression = regular(wanted.text)
        found: Test = lambda value: expression.search(_text(value)) is not None  # noqa: E731
        return _equality(operator, found, tokens)
    number = number_of(wanted.text) if wanted.kind == "word" else None
    if number is not None:
        compare = _COMPARE[operator]

        def numeric(value: Any) -> bool:
            known = number_of(value)
            return operator == "!=" if known is None else compare(known, number)

        return numeric
    text = unescaped(wanted.text) if wanted.kind == "quoted" else wanted.text
    expression = re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)
    return _equality(operator, lambda value: expression.fullmatch(_text(value)) is not None, tokens)


def _equality(operator: str, found: Test, tokens: Tokens) -> Test:
    if operator == "=":
        return found
    if operator == "!=":
        return lambda value: not found(value)
    raise InvalidPattern(f"{operator} compares numbers; texts take = and !=.")


def joined(parts: list[Test], all_of_them: bool) -> Test:
    """One test for all or any of these."""
    if len(parts) == 1:
        return parts[0]
    together = all if all_of_them else any
    return lambda value: together(part(value) for part in parts)


def number_of(value: Any) -> float | None:
    """The number that this is, or that it says; a truth value is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)
