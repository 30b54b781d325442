"""A progress bar where a person is looking, silence where a program is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, *, total: int | None = None) -> Iterator[Item]:
    """`items`, with a bar named `what` on standard error while it is a terminal."""
    try:
        from tqdm import tqdm
    except ImportError:  # the lab's environment has none; the tools work there all the same
        return iter(items)
    return iter(tqdm(items, desc=what, total=total, disable=None, leave=False, dynamic_ncols=True))
