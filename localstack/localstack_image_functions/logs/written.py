"""Who is told of log events that the emulator itself writes, without a request."""

from __future__ import annotations

from collections.abc import Callable

from localstack_image_functions.metrics.store import Owner

WRITTEN: list[Callable[[Owner, str, str, int], None]] = []
"""Called with whose group it is, group, stream, and how many events are at the stream's end."""
