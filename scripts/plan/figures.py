"""What the simulation is fed with: this lab's measured stages, as spreads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from scripts.aws.published import published
from scripts.e2e.report import WAITING_STAGES
from scripts.errors import LabError
from scripts.paths import ROOT

# One vCPU's memory on Lambda: below it the function gets a share of one.
MB_PER_CPU = 1769
_Z95 = 1.6449  # the normal distribution's 95th percentile


class NotMeasured(LabError):
    """The figures of a run are not there."""


@dataclass(frozen=True)
class LogNormal:
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
class Measured:
    """Durations as they were measured, ms."""

    values: tuple[float, ...]

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """`count` durations, float64 [count], ms."""
        return random.choice(np.asarray(self.values, dtype=np.float64), count)


class Durations(Protocol):
    """What `count` durations in ms, float64 [count], can be drawn from."""

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Work:
    """One clip in the function, on one full CPU of the measured machine. All in ms."""

    compute: LogNormal
    waiting: LogNormal
    init: float


@dataclass(frozen=True)
class MeasuredWork:
    """The same, clip by clip as it was measured."""

    compute: Measured
    waiting: Measured
    init: float = 0.0


@dataclass(frozen=True)
class Transit:
    """What a clip's way takes outside the function, ms: all that comes before it, one after the
    other, and what comes between its answer and the device."""

    before: tuple[Durations, ...]
    after: Durations


def aws_transit(through_queue: bool) -> Transit:
    """On AWS, as published."""
    known = published()["transit_ms"]

    def spread(name: str) -> LogNormal:
        return LogNormal(known[name]["p50"], known[name]["p95"])

    push = "sqs_push" if through_queue else "async_push"
    return Transit((spread("put"), spread("event"), spread(push)), spread("receive"))


def measured_work(e2e: Path) -> Work:
    """The function's work from an end-to-end run's figures.

    Raises
    ------
    NotMeasured
        When there was no such run, or it has no stages.
    """
    run = _Run.of(e2e)
    compute = run.stages_ms["recognize"]
    return Work(
        LogNormal(compute, compute * run.p95_ms / run.p50_ms),
        LogNormal(run.waiting_ms, 2 * run.waiting_ms),
        run.init_ms,
    )


def _kept_init_ms() -> float:
    """What `make bench-handler` last measured: `make up` has environments started, so that an
    end-to-end run has a cold start only now and then."""
    kept = json.loads((ROOT / "docs" / "figures.json").read_text(encoding="utf-8"))
    return float(kept["compute"]["values"]["init_ms"])


@dataclass(frozen=True)
class _Run:
    """An end-to-end run's figures, as far as they are needed here."""

    stages_ms: Mapping[str, float]
    p50_ms: float
    p95_ms: float
    init_ms: float

    @property
    def waiting_ms(self) -> float:
        return max(1.0, sum(self.stages_ms.get(stage, 0.0) for stage in WAITING_STAGES))

    @classmethod
    def of(cls, e2e: Path) -> _Run:
        try:
            facts = json.loads(e2e.read_text(encoding="utf-8"))
            latency = facts["latency_ms"]["warm_clip_end"] or facts["latency_ms"]["clip_end"]
            run = cls(
                facts["stages_ms"],
                float(latency["p50"]),
                float(latency["p95"]),
                float(facts["init_ms"] or _kept_init_ms()),
            )
            if not (run.stages_ms["recognize"] > 0 and run.p50_ms > 0):
                raise ValueError("without a clip that was recognized")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotMeasured(
                f"{e2e} holds no end-to-end run ({error})", "`make e2e` measures the stages"
            ) from error
        return run
