"""How long the faults will take, by how long each took the last time on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from scripts.paths import BUILD

FILE = BUILD / "faults-took.json"


def estimate(tests: Iterable[str], file: Path = FILE) -> str:
    """In words; nothing where none of the tests was ever run here."""
    took = _read(file)
    wanted = list(tests)
    known = [took[one] for one in wanted if one in took]
    if not known:
        return ""
    others = len(wanted) - len(known)
    # What never ran is expected to take as long as the others do.
    minutes = sum(known) / len(known) * len(wanted) / 60
    new = f", {others} of them new" if others else ""
    many = "" if len(wanted) == 1 else "s"
    return (
        f"{len(wanted)} fault{many}{new}: about {max(1, round(minutes))} minutes, as the last time"
    )


def keep(seconds: Mapping[str, float], file: Path = FILE) -> None:
    """What can't be kept is not worth an error."""
    with suppress(OSError):
        file.write_text(json.dumps({**_read(file), **seconds}, indent=1) + "\n", "utf-8")


def _read(file: Path) -> dict[str, float]:
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text("utf-8"))
        if isinstance(found, dict):
            return {str(test): one for test, one in found.items() if isinstance(one, int | float)}
    return {}
