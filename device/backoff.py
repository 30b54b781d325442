"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with full jitter: uniform in [0, min(cap, base · 2^n)) seconds.

    Full jitter spreads a whole class of devices that lost the network at the same moment.
    The cap bounds how long a device goes on waiting after the network is back.
    """

    base_s: float = 0.25
    cap_s: float = 10.0
    random: Callable[[], float] = random.random

    def wait_s(self, failures: int) -> float:
        """The wait after the `failures`th failure in a row (1 is the first)."""
        return self.random() * min(self.cap_s, self.base_s * 2 ** min(failures, 30))
