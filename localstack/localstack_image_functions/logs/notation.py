"""What all forms of filter patterns share: texts in quotes and between `%`, values taken out."""

from __future__ import annotations

import re

from localstack_image_functions.logs.errors import InvalidPattern

Values = dict[str, str]
"""What a pattern takes out of a message that matches, by `$name`."""


def regular(expression: str) -> re.Pattern[str]:
    """What stands between two `%`.

    Raises
    ------
    InvalidPattern
        When it is no regular expression.
    """
    try:
        return re.compile(expression)
    except re.error as error:
        raise InvalidPattern(f"Invalid regular expression %{expression}%: {error}") from error


def unescaped(quoted: str) -> str:
    """A quoted text as it was meant: without the backslashes."""
    return re.sub(r"\\(.)", r"\1", quoted)
