"""What the simulation is fed with: this lab's measured stages, as spreads."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.errors import LabError

# Stages that wait for another service; `recognize` is the function's own compute.
WAITING_STAGES = ("claim", "fetch", "look_up")
# One vCPU's memory on Lambda: below it the function gets a share of one.
MB_PER_CPU = 1769
_Z95 = 1.6449  # the normal distribution's 95th percentile


class NotMeasured(LabError):
    """The figures of a run are not there."""


@dataclass(frozen=True)
class Spread:
    """A log-normal duration in ms, given by its median and 95th percentile."""

    p50: float
    p95: float

    @property
    def _sigma(self) -> float:
        if self.p50 <= 0:
            return 0.0
        return math.log(max(self.p95 / self.p50, 1.0)) / _Z95

    @property
    def mean(self) -> float:
        """Mean of the distribution, ms."""
        return self.p50 * math.exp(self._sigma**2 / 2)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """`count` durations, float64 [count], ms."""
        return self.p50 * np.exp(self._sigma * random.standard_normal(count))


@dataclass(frozen=True)
class Work:
    """One clip in the function, on one full CPU of the measured machine. All in ms."""

    compute: Spread
    waiting: Spread
    init: float


def measured_work(e2e: Path) -> Work:
    """The function's work from an end-to-end run's figures.

    Raises
    ------
    NotMeasured
        When there was no such run, or it has no stages.
    """
    try:
        facts = json.loads(e2e.read_text(encoding="utf-8"))
        stages: dict[str, float] = facts["stages_ms"]
        latency = facts["latency_ms"]["warm_clip_end"] or facts["latency_ms"]["clip_end"]
        compute = stages["recognize"]
        init = float(facts["init_ms"] or 0.0)
        spread = latency["p95"] / latency["p50"]
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise NotMeasured(
            f"{e2e} holds no end-to-end run ({error})", "`make e2e` measures the stages"
        ) from error
    waiting = max(1.0, sum(stages.get(stage, 0.0) for stage in WAITING_STAGES))
    return Work(Spread(compute, compute * spread), Spread(waiting, 2 * waiting), init)
