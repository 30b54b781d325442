"""Text from outside, made safe to print: it can't move the cursor or begin a line.

Names, keys and reasons may have been chosen by a stranger. Printed raw, an escape sequence or
a line feed in one of them writes whatever else he likes onto the screen or into a log.
"""

from __future__ import annotations

import json
import re
from typing import Any

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters: escape sequences, line feeds, C1's own
    # What is not seen, reorders the text around it or ends a line: all format characters but the
    # two joiners (U+200C, U+200D), which scripts and emoji need.
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\ud800-\udfff"  # lone surrogates can't be written at all
    "\U000e0000-\U000e007f"  # tags: a second, invisible alphabet
    "]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    """`text` as one line; what could act on a terminal or a log stands there as its escape."""
    return _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """`text` of several lines, each as safe as `printable` makes it; tabs become spaces."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def json_text(value: Any) -> str:
    """`value` as indented JSON, sorted, as safe to print as `printable` text."""
    lines = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).split("\n")
    return "\n".join(_UNSAFE.sub(_json_escape, line) for line in lines)


def json_line(value: Any) -> str:
    """`value` as JSON on one line, readable, and as safe to print as `printable` text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _UNSAFE.sub(_json_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < 0x100:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f"
