"""What stands in braces in a request or an expectation.

`{queue}` is the value that a step saved by that name, or one of those that every group has; alone
in its string it keeps its type. `{a*81}` is 81 times the letter a. `{$times: 11, $of: …}` is a list
of eleven, in each of which `{i}` is its number.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_REPEATED = re.compile(r"\{(.)\*(\d+)\}")
HANDLER = "def handler(event, context):\n    return event\n"


class Unfilled(Exception):
    """A name in braces that nothing was saved by: a step before did not save it."""


def fill(value: Any, names: Mapping[str, Any]) -> Any:
    """`value` with everything in braces put in."""
    if isinstance(value, str):
        return _text(value, names)
    if isinstance(value, list):
        return [fill(one, names) for one in value]
    if isinstance(value, Mapping):
        if "$times" in value:
            return [fill(value["$of"], {**names, "i": i}) for i in range(value["$times"])]
        return {fill(name, names): fill(one, names) for name, one in value.items()}
    return value


def _text(value: str, names: Mapping[str, Any]) -> Any:
    alone = _NAME.fullmatch(value)
    if alone:
        return _named(alone[1], names)
    value = _REPEATED.sub(lambda found: found[1] * int(found[2]), value)
    return _NAME.sub(lambda found: str(_named(found[1], names)), value)


def _named(name: str, names: Mapping[str, Any]) -> Any:
    try:
        return names[name]
    except KeyError:
        raise Unfilled(f"nothing was saved as {{{name}}}") from None


def code(source: str = HANDLER) -> bytes:
    """A deployment package of one module, `code.py`; the same bytes each time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("code.py"), source)
    return packed.getvalue()
