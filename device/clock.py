"""Wall-clock times for moments that were measured on the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# A clock that NTP only slews moves by less than this between capture and upload.
STEP_MS = 1000


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Clock:
    """The device's two clocks. Tests put their own in.

    Durations come from the monotonic clock; the wall clock only places them in the day. The
    offset between both is read anew for each clip, because a Pi without a battery clock may
    boot in the wrong year and be set right while it records.
    """

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    boot_id: Callable[[], str] = _boot_id

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return self.wall_ns() // 1_000_000

    def unix_ms(self, *moments_ns: int) -> tuple[int, ...]:
        """Unix milliseconds of moments on the monotonic clock, all with one reading of both."""
        offset = self.wall_ns() - self.monotonic_ns()
        return tuple((moment + offset) // 1_000_000 for moment in moments_ns)
