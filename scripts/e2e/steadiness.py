"""Samples of a long run, and whether the lab stays as it is: nothing grows, nothing gets slower.

Judged is the last half of the run, after everything has warmed up: its first quarter against its
last, by medians, which one busy moment does not move.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_GROWTH = 0.10
SMALL_MB = 15  # a tenth of a small process is a few allocations
SMALL_DESCRIPTORS = 16
# A shared machine's neighbors make clips slower too; a queue that fills has no such bound.
MOST_SLOWER = 2.0
SLOWER_MS = 500.0
MOST_WAITING_S = 10.0
FEWEST_SAMPLES = 16


@dataclass(frozen=True)
class Sample:
    """One look at the run, `at_s` seconds after it began."""

    at_s: float
    recorded: int
    answered: int
    latency_p50_ms: float | None
    """Of the results since the sample before, from the clip's end."""
    memory_mb: dict[str, int]
    descriptors: dict[str, int]
    spooled: int
    """Clips on the devices' disks, in whatever state."""
    results_waiting: int
    dead_letters: int
    state_mb: float | None

    @property
    def backlog(self) -> int:
        return self.recorded - self.answered


class Sampler:
    """Calls `look` every `every_s` seconds, from a thread of its own, until it is left."""

    def __init__(self, look: Callable[[], Sample], every_s: float):
        self.samples: list[Sample] = []
        self._look = look
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._failure: Exception | None = None

    def __enter__(self) -> Sampler:
        self.samples.append(self._look())
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            if self._failure:
                raise self._failure
            self.samples.append(self._look())

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self.samples.append(self._look())
            except Exception as error:  # raised where the run is waited for
                self._failure = error
                return


@dataclass(frozen=True)
class Steadiness:
    """What grew or got slower, in words; `judged` is false for a run too short to tell."""

    judged: bool
    growth: dict[str, float] = field(default_factory=dict)
    """Memory of each process: last quarter of the last half by its first, less one."""
    faults: list[str] = field(default_factory=list)


def judge(samples: list[Sample], rate: float) -> Steadiness:
    """Look at the samples that were taken while the cameras recorded, `rate` clips a second."""
    half = samples[len(samples) // 2 :]
    if len(samples) < FEWEST_SAMPLES:
        return Steadiness(judged=False)
    quarter = len(half) // 4
    before, after = half[:quarter], half[-quarter:]
    faults: list[str] = []
    growth: dict[str, float] = {}
    for name in sorted(after[-1].memory_mb):
        was, now = (
            _median_of([one.memory_mb.get(name) for one in some]) for some in (before, after)
        )
        if was and now:
            growth[name] = round(now / was - 1, 3)
            if growth[name] > MOST_GROWTH and now - was > SMALL_MB:
                faults.append(f"{name} grows: from {was:.0f} to {now:.0f} MB")
        was, now = (
            _median_of([one.descriptors.get(name) for one in some]) for some in (before, after)
        )
        if was and now and now > was * (1 + MOST_GROWTH) + SMALL_DESCRIPTORS:
            faults.append(f"{name} opens more and more: {was:.0f}, later {now:.0f} files")
    faults += _slower(before, after, rate)
    return Steadiness(judged=True, growth=growth, faults=faults)


def _slower(before: list[Sample], after: list[Sample], rate: float) -> list[str]:
    faults = []
    waiting = [_median_of([one.backlog for one in some]) or 0.0 for some in (before, after)]
    if waiting[1] - waiting[0] > rate * MOST_WAITING_S:
        faults.append(
            f"the lab falls behind: {waiting[0]:.0f} clips under way, later {waiting[1]:.0f}; a "
            f"smaller RATE or DEVICES than {rate:g} clips a second in all is what it sustains here"
        )
    latency = [_median_of([one.latency_p50_ms for one in some]) for some in (before, after)]
    if (
        latency[0]
        and latency[1]
        and latency[1] > latency[0] * MOST_SLOWER
        and latency[1] - latency[0] > SLOWER_MS
    ):
        faults.append(f"answers get slower: from {latency[0]:.0f} to {latency[1]:.0f} ms")
    spooled = [_median_of([one.spooled for one in some]) or 0.0 for some in (before, after)]
    if spooled[1] - spooled[0] > rate * MOST_WAITING_S:
        faults.append(f"the spools fill: from {spooled[0]:.0f} to {spooled[1]:.0f} clips")
    return faults


def _median_of(values: list[Any]) -> float | None:
    known = [one for one in values if one is not None]
    return float(statistics.median(known)) if known else None


def three_moments(samples: list[Sample]) -> dict[str, dict[str, int]]:
    """Memory of each process at the start, in the middle and at the end."""
    chosen = {"start": samples[0], "middle": samples[len(samples) // 2], "end": samples[-1]}
    found: dict[str, dict[str, int]] = {}
    for moment, sample in chosen.items():
        for process, size in sample.memory_mb.items():
            found.setdefault(process, {})[moment] = size
    return found


def as_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """For `soak.json`."""
    return [asdict(one) | {"backlog": one.backlog} for one in samples]
