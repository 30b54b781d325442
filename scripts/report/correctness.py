"""What to call an answer beside what was really there."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

RIGHT, WRONG, UNKNOWN = "right", "wrong", "unknown"
NOTHING_CAME = "nothing came"


class WhoWasThere(Protocol):
    """What is really in a clip."""

    @property
    def visible(self) -> tuple[str, ...]: ...

    @property
    def strangers(self) -> int: ...


def correctness(clip: WhoWasThere, custom: Set[str], online: Set[str]) -> str:
    """Wrong where a model named somebody who is not there, unknown where somebody there was not
    named by both."""
    visible = set(clip.visible)
    if (custom | online) - visible:
        return WRONG
    return UNKNOWN if visible - (custom & online) or clip.strangers else RIGHT
