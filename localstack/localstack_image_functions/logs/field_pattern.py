"""`[ip, user, ..., status = 4*, bytes > 1000]`: patterns of messages with fields between spaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from localstack_image_functions.logs.conditions import Test, Tokens, comparison, joined
from localstack_image_functions.logs.errors import InvalidPattern
from localstack_image_functions.logs.notation import Values

_FIELD = re.compile(r'"(?P<quoted>[^"]*)"|\[(?P<bracketed>[^\]]*)\]|(?P<plain>\S+)')
_COMMA = re.compile(r'("(?:\\.|[^"\\])*"|%[^%]+%)|,')
_REST = "..."


@dataclass(frozen=True)
class _Field:
    name: str
    test: Test | None


def field_pattern(text: str) -> Callable[[str], Values | None]:
    """A message's fields by name, when there are as many and all are as asked.

    Raises
    ------
    InvalidPattern
        When its bracket is not closed, `...` stands in it twice, or a field can't be read.
    """
    if not text.endswith("]"):
        raise InvalidPattern(f"The pattern {text!r} lacks its closing bracket.")
    parts = _COMMA.sub(lambda found: found[1] or "\0", text[1:-1]).split("\0")
    fields = [_field(part) for part in parts]
    rests = [place for place, field in enumerate(fields) if field.name == _REST]
    if len(rests) > 1:
        raise InvalidPattern("The pattern has ... more than once.")

    def extract(message: str) -> Values | None:
        found = [
            one["quoted"] or one["bracketed"] or one["plain"] or ""
            for one in _FIELD.finditer(message)
        ]
        named = _aligned(found, fields, rests[0] if rests else None)
        if named is None:
            return None
        if any(field.test and not field.test(value) for field, value in named):
            return None
        return {field.name: value for field, value in named}

    return extract


def _aligned(
    found: list[str], fields: list[_Field], rest: int | None
) -> list[tuple[_Field, str]] | None:
    if rest is None:
        return list(zip(fields, found, strict=True)) if len(fields) == len(found) else None
    before, after = fields[:rest], fields[rest + 1 :]
    if len(found) < len(before) + len(after):
        return None
    last = found[len(found) - len(after) :]
    return [*zip(before, found, strict=False), *zip(after, last, strict=True)]


def _field(text: str) -> _Field:
    text = text.strip()
    if text == _REST:
        return _Field(_REST, None)
    tokens = Tokens(text)
    name = tokens.take("word").text
    if tokens.peek() is None:
        return _Field(name, None)
    ways = [[comparison(tokens)]]
    while tokens.peek() is not None:
        both = tokens.takes("&&")
        if not both and not tokens.takes("||"):
            raise tokens.unreadable()
        if tokens.take("word").text != name:
            raise InvalidPattern(f"A field's conditions name that field: {text}")
        if both:
            ways[-1].append(comparison(tokens))
        else:
            ways.append([comparison(tokens)])
    return _Field(name, joined([joined(way, True) for way in ways], False))
