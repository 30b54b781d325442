"""What is done for a type of resource beside LocalStack's provider, or in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Properties = dict[str, Any]
Apply = Callable[[Any], None]
"""Given LocalStack's `ResourceRequest`; what it sets in `desired_state` the stack remembers."""


class NotUpdated(Exception):
    """A resource or a stack was not changed as a template asks for; the text says why."""


@dataclass(frozen=True)
class Resource:
    """`complete` comes after the provider has made one and `changed` after it has changed one, the
    others in the provider's place. Where `complete` fails, what was made is deleted again; `create`
    does that itself."""

    complete: Apply | None = None
    completed: frozenset[str] = frozenset()
    """Properties that `complete` applies."""
    changed: Apply | None = None
    create: Apply | None = None
    update: Apply | None = None
    delete: Apply | None = None

    def instead(self, action: str) -> Apply | None:
        """What is done in the provider's place, where anything is."""
        return {
            "Add": self.create,
            "Modify": self.update,
            "Dynamic": self.update,
            "Remove": self.delete,
        }.get(action)


def truth(value: Any) -> bool | None:
    """A template's yes or no, which may be a word."""
    return None if value is None else str(value).lower() == "true"
