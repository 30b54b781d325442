"""What can go wrong with the state on disk. Each message says what to do."""

from __future__ import annotations

from localstack_image_functions.errors import ImageFunctionsError


class StateError(ImageFunctionsError):
    """Base of every error of the state on disk."""


class NotData(StateError):
    """An object can't be written as data: its class is none that holds state."""


class HostileState(StateError):
    """A record names a class that holds no state, or is no record at all: it is not loaded."""


class TornState(StateError):
    """The database or a record in it is damaged."""


class StateOfOtherVersion(StateError):
    """The state was written by another version: use that one, or move the folder away."""


class StateInUse(StateError):
    """Another emulator keeps its state in the folder: stop that, or name another folder."""
