"""`{ $.user.id = 1 && ($.error IS NULL || $.names[0] = "a*") }`: patterns of JSON messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from localstack_image_functions.logs.conditions import Test, Tokens, comparison, joined
from localstack_image_functions.logs.errors import InvalidPattern
from localstack_image_functions.logs.notation import Values

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+|\*)\]|\[[\"'](?P<quoted>[^\"']+)[\"']\]")


def json_pattern(text: str) -> Callable[[str], Values | None]:
    """What a message's values are, when it is an object that the pattern matches.

    Raises
    ------
    InvalidPattern
        When its brace is not closed, or it can't be read.
    """
    if not text.endswith("}"):
        raise InvalidPattern(f"The pattern {text!r} lacks its closing brace.")
    tokens = Tokens(text[1:-1])
    test = _either(tokens)
    if tokens.peek() is not None:
        raise tokens.unreadable()

    def extract(message: str) -> Values | None:
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            return None
        return {} if isinstance(document, dict) and test(document) else None

    return extract


def value_at(message: str, selector: str) -> Any:
    """What a selector finds in a JSON message; None where there is nothing."""
    try:
        found = selected(json.loads(message), steps(selector))
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None


def steps(selector: str) -> list[str | int]:
    """A selector's names and indexes; `*` stands for every element.

    Raises
    ------
    InvalidPattern
        When it does not begin with `$.` and a name, or can't be read from somewhere on.
    """
    if not selector.startswith("$") or selector == "$":
        raise InvalidPattern(f"A selector begins with $. and a name, {selector} does not.")
    found: list[str | int] = []
    place = 1
    while place < len(selector):
        step = _STEP.match(selector, place)
        if step is None:
            raise InvalidPattern(f"The selector {selector} can't be read.")
        index = step["index"]
        found.append(
            int(index) if index and index != "*" else step["name"] or step["quoted"] or "*"
        )
        place = step.end()
    return found


def selected(document: Any, path: list[str | int]) -> list[Any]:
    """All values at a path: several with `*`, none when it is not there."""
    found = [document]
    for step in path:
        following: list[Any] = []
        for value in found:
            if step == "*" and isinstance(value, list):
                following += value
            elif isinstance(step, int) and isinstance(value, list):
                following += value[step : step + 1]
            elif isinstance(step, str) and isinstance(value, dict) and step in value:
                following.append(value[step])
        found = following
    return found


def _either(tokens: Tokens) -> Test:
    parts = [_both(tokens)]
    while tokens.takes("||"):
        parts.append(_both(tokens))
    return joined(parts, all_of_them=False)


def _both(tokens: Tokens) -> Test:
    parts = [_one(tokens)]
    while tokens.takes("&&"):
        parts.append(_one(tokens))
    return joined(parts, all_of_them=True)


def _one(tokens: Tokens) -> Test:
    if tokens.takes("("):
        inner = _either(tokens)
        if not tokens.takes(")"):
            raise tokens.unreadable()
        return inner
    path = steps(tokens.take("word").text)
    if tokens.takes("NOT"):
        if not tokens.takes("EXISTS"):
            raise tokens.unreadable()
        return lambda document: not selected(document, path)
    if tokens.takes("EXISTS"):
        return lambda document: bool(selected(document, path))
    if tokens.takes("IS"):
        wanted = {"NULL": None, "TRUE": True, "FALSE": False}
        word = tokens.take("word").text.upper()
        if word not in wanted:
            raise tokens.unreadable()
        return lambda document: any(one is wanted[word] for one in selected(document, path))
    test = comparison(tokens)
    return lambda document: any(
        test(one) for one in selected(document, path) if not isinstance(one, dict | list)
    )
