"""The language of filter patterns: terms, `{ $.json = "paths" }` and `[space, delimited, fields]`.

`compile_pattern` reads a pattern once; what it returns judges any number of messages.
Source: "Filter pattern syntax for metric filters, subscription filters, filter log events, and
Live Tail" of the Amazon CloudWatch Logs User Guide.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from localstack_image_functions.logs.errors import InvalidPattern
from localstack_image_functions.logs.field_pattern import field_pattern
from localstack_image_functions.logs.json_pattern import json_pattern
from localstack_image_functions.logs.notation import Values, regular, unescaped

MOST_LENGTH = 1024
_TERM = re.compile(
    r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:\\.|[^"\\])*)"|%(?P<regex>[^%]+)%|(?P<word>\S+))'
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern. `extract` is None for a message that does not match."""

    extract: Callable[[str], Values | None]

    def matches(self, message: str) -> bool:
        return self.extract(message) is not None


@functools.lru_cache(maxsize=256)
def compile_pattern(text: str | None) -> Pattern:
    """Read a pattern; an empty one matches everything.

    Raises
    ------
    InvalidPattern
        When CloudWatch Logs would not take it; the message says why.
    """
    text = (text or "").strip()
    if len(text) > MOST_LENGTH:
        raise InvalidPattern(f"The pattern is longer than {MOST_LENGTH} characters.")
    if text.startswith("{"):
        return Pattern(json_pattern(text))
    if text.startswith("["):
        return Pattern(field_pattern(text))
    return Pattern(_terms(text))


def _terms(text: str) -> Callable[[str], Values | None]:
    wanted: list[Callable[[str], bool]] = []
    unwanted: list[Callable[[str], bool]] = []
    optional: list[Callable[[str], bool]] = []
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise InvalidPattern(f"The pattern can't be read from {text[place:]!r} on.")
        kind = {"": wanted, "-": unwanted, "?": optional}[found["sign"]]
        kind.append(_term(found))
        place = found.end()
    # CloudWatch ignores optional terms beside others.
    if wanted or unwanted:
        optional = []

    def extract(message: str) -> Values | None:
        matched = (
            all(has(message) for has in wanted)
            and not any(has(message) for has in unwanted)
            and (not optional or any(has(message) for has in optional))
        )
        return {} if matched else None

    return extract


def _term(found: re.Match[str]) -> Callable[[str], bool]:
    if found["regex"] is not None:
        expression = regular(found["regex"])
        return lambda message: expression.search(message) is not None
    if found["quoted"] is not None:
        term = unescaped(found["quoted"])
    else:
        term = found["word"]
        if not _WORD.fullmatch(term):
            raise InvalidPattern(f"Invalid character(s) in term '{term}'")
    return lambda message: term in message
