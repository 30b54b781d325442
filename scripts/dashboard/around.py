"""What stands around the clips: devices, dead letters, what exists in the cloud, functions.

All of it is read-only, asked for at most every few seconds, however many pages look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from cloud.switch import Switch
from contract.clips import SUFFIX
from device.settings import spool_folder
from scripts.dashboard.feed import Feed
from scripts.dashboard.letters import WaitingLetters
from scripts.lab.queues import device_queues, waiting

T = TypeVar("T")
FRESH_S = 3.0


class Fresh(Generic[T]):
    """A value that is asked for again when it is older than some seconds."""

    def __init__(self, ask: Callable[[], T], seconds: float = FRESH_S) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until_s = 0.0

    def __call__(self) -> T:
        with self._lock:
            if self._value is None or time.monotonic() >= self._until_s:
                self._value = self._ask()
                self._until_s = time.monotonic() + self._seconds
            return self._value

    def expire(self) -> None:
        self._until_s = 0.0


class Around:
    """`devices()`, `letters()`, `cloud()` and `functions()`, each asked for when it is due.

    `inventory` answers what `cloud_worker` does.
    """

    def __init__(
        self, switch: Switch, feed: Feed, inventory: Callable[[str], list[dict[str, Any]]]
    ) -> None:
        self._switch = switch
        self._feed = feed
        self.devices = Fresh(self._devices)
        self.letters = Fresh(self._letters)
        self.cloud = Fresh(lambda: inventory("cloud"), 5)
        self.functions = Fresh(lambda: inventory("functions"), 5)

    def dead_letters(self) -> WaitingLetters:
        return WaitingLetters(self._switch)

    def _devices(self) -> list[dict[str, Any]]:
        """Devices with a queue: results that wait there, what waits in their spools here."""
        sqs = self._switch.client("sqs")
        return [
            {
                "device_id": device_id,
                "results_waiting": waiting(sqs, url),
                "spooled": _spooled(spool_folder() / device_id),
                "last_seen_ms": self._last_seen_ms(device_id),
            }
            for device_id, url in device_queues(sqs, self._switch.names).items()
        ]

    def _last_seen_ms(self, device_id: str) -> float | None:
        of_clips = (
            clip.capture_end_ms or clip.ended_ms
            for clip in self._feed.history.newest(1_000)
            if clip.device_id == device_id
        )
        seen = (self._feed.spans.last_seen_ms(device_id), next(of_clips, None))
        return max((one for one in seen if one is not None), default=None)

    def _letters(self) -> dict[str, Any]:
        letters = self.dead_letters()
        count = letters.count()
        shown = [
            {"message_id": one.message_id, "reason": one.reason, "keys": one.keys,
             "can_be_sent": one.event is not None}
            for one in (letters.peek() if count else ())
        ]  # fmt: skip
        return {"count": max(count, len(shown)), "letters": shown}


def _spooled(folder: Path) -> int | None:
    """Clips that wait for S3; None where the device has no spool on this machine."""
    return sum(1 for _ in folder.glob("*" + SUFFIX)) if folder.is_dir() else None
