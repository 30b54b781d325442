"""A progress bar where a person is looking, silence where a program is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, *, total: int | None = None) -> Iterator[Item]:
    """`items`, with a bar named `what` on standard error while it is a terminal and nobody asked
    for JSON."""
    try:
        from tqdm import tqdm
    except ImportError:  # the lab's environment has none; the tools work there all the same
        return iter(items)
    disable = True if "--json" in sys.argv else None  # None: where there is no terminal
    return iter(
        tqdm(items, desc=what, total=total, disable=disable, leave=False, dynamic_ncols=True)
    )
