"""A discrete-event simulation of devices, S3 events, an optional queue, and Lambda.

One environment answers one clip at a time. A new one costs an init; how many there may be, and
how fast they come, is limited as AWS limits it. Directly from S3, a clip that finds no environment
is throttled and tried again later; behind a queue it waits its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from scripts.aws.published import limit
from scripts.plan.cores import LabWork, Shares
from scripts.plan.figures import MB_PER_CPU, MeasuredWork, Transit, Work, aws_transit

Steps = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Scenario:
    """What is planned: `rate` in clips/s of each device, `seconds` simulated, `memory_mb` of the
    function, `concurrency` the account's quota, `through_queue` for S3 → SQS → Lambda. Of devices
    and limits only the share `part` is simulated: a large fleet behaves as a part of it would."""

    devices: int
    rate: float
    seconds: float
    memory_mb: int
    concurrency: int
    through_queue: bool
    queues: int = 1  # each with an event source mapping of its own
    warm: bool = False  # begins with all environments and pollers that will be needed
    seed: int = 0
    part: float = 1.0


@dataclass
class SimulationResult:
    """What came of it; latencies in ms from the clip's end to the result on the device."""

    clips: int = 0
    latencies: list[float] = field(default_factory=list)
    cold: int = 0
    throttled: int = 0
    billed_ms: float = 0.0
    most_environments: int = 0
    most_waiting: int = 0


class Fleet:
    """The function's environments."""

    def __init__(self, env: simpy.Environment, quota: int, per_10_s: float, idle: int):
        self._env = env
        self._quota = quota
        self._allowance = per_10_s
        self._per_s = per_10_s / 10
        self._most_allowance = per_10_s
        self._counted_at = 0.0
        self.idle = idle
        self.all = idle

    def take(self) -> str | None:
        """`warm`, `cold`, or None when there is none to have now."""
        if self.idle:
            self.idle -= 1
            return "warm"
        now = self._env.now
        grown = self._allowance + (now - self._counted_at) * self._per_s
        self._allowance, self._counted_at = min(grown, self._most_allowance), now
        if self.all >= self._quota or self._allowance < 1:
            return None
        self._allowance -= 1
        self.all += 1
        return "cold"

    def give_back(self) -> None:
        self.idle += 1


class Simulation:
    """One run; `run` gives its outcome."""

    def __init__(
        self,
        scenario: Scenario,
        work: Work | MeasuredWork,
        transit: Transit | None = None,
        shares: Shares | None = None,
    ):
        self._plan = scenario
        self._env = simpy.Environment()
        self._lab = LabWork(self._env, shares) if shares else None
        self._random = np.random.default_rng(scenario.seed)
        quota = max(1, round(scenario.concurrency * scenario.part))
        self._fleet = Fleet(
            self._env,
            quota,
            limit("lambda_scaling_per_10_s") * scenario.part,
            quota if scenario.warm else 0,
        )
        self._waiting: deque[int] = deque()
        self._in_flight = 0
        self._share = min(1.0, scenario.memory_mb / MB_PER_CPU)
        self._init_s = work.init / self._share / 1000
        self.outcome = SimulationResult()
        self._draw(work, transit or aws_transit(scenario.through_queue))

    def _draw(self, work: Work | MeasuredWork, transit: Transit) -> None:
        plan, random = self._plan, self._random
        period = 1 / plan.rate
        devices = max(1, round(plan.devices * plan.part))
        phases = random.uniform(0, period, devices)
        each = max(1, round(plan.seconds * plan.rate))
        self._starts = np.sort((phases[:, None] + np.arange(each) * period).ravel())
        count = len(self._starts)

        self._before = np.sum([one.draw(random, count) for one in transit.before], axis=0) / 1000
        self._compute = work.compute.draw(random, count) / self._share / 1000
        self._waits = work.waiting.draw(random, count) / 1000
        self._after = transit.after.draw(random, count) / 1000

    def run(self) -> SimulationResult:
        self.outcome.clips = len(self._starts)
        self._env.process(self._arrivals())
        if self._plan.through_queue:
            self._env.process(self._growth())
        self._env.run()
        return self.outcome

    def _arrivals(self) -> Steps:
        if self._lab:
            for index, start in enumerate(self._starts):
                yield self._env.timeout(max(0.0, start - self._env.now))
                self._env.process(self._uploaded(index, self._lab))
            return
        for index in np.argsort(self._starts + self._before):
            due = self._starts[index] + self._before[index]
            if due > self._env.now:
                yield self._env.timeout(due - self._env.now)
            if self._plan.through_queue:
                self._queue(int(index))
            else:
                self._env.process(self._pushed(int(index)))

    def _uploaded(self, index: int, lab: LabWork) -> Steps:
        """In a lab: the way to the function costs the cores that the function computes on."""
        yield lab.serve(self._before[index])
        self._queue(index)

    def _pushed(self, index: int) -> Steps:
        """Straight from S3: throttled events come again, each time later."""
        wait = limit("async_retry_first_s")
        most = limit("async_retry_most_s")
        while (kind := self._fleet.take()) is None:
            self.outcome.throttled += 1
            yield self._env.timeout(wait * self._random.uniform(0.5, 1.0))
            wait = min(2 * wait, most)
        yield from self._serve(index, kind)

    def _queue(self, index: int) -> None:
        """Behind a queue: first in, first out, as many at once as the pollers have grown to."""
        self._waiting.append(index)
        self._pump()
        self.outcome.most_waiting = max(self.outcome.most_waiting, len(self._waiting))

    def _pump(self) -> None:
        while self._waiting and self._in_flight < self._pollers():
            kind = self._fleet.take()
            if kind is None:
                break
            self._in_flight += 1
            self._env.process(self._poll(self._waiting.popleft(), kind))

    def _poll(self, index: int, kind: str) -> Steps:
        yield from self._serve(index, kind)
        self._in_flight -= 1
        self._pump()

    def _growth(self) -> Steps:
        """Pollers and the scaling allowance grow while nothing else happens."""
        while len(self.outcome.latencies) < self.outcome.clips:
            yield self._env.timeout(0.1)
            self._pump()

    def _pollers(self) -> float:
        most = limit("sqs_poller_most")
        grown = limit("sqs_poller_growth_per_min") / 60 * self._env.now
        each = most if self._plan.warm else limit("sqs_poller_start") + grown
        return max(1.0, self._plan.queues * min(each, most) * self._plan.part)

    def _serve(self, index: int, kind: str) -> Steps:
        outcome = self.outcome
        outcome.most_environments = max(outcome.most_environments, self._fleet.all)
        if kind == "cold":
            outcome.cold += 1
            # Lambda bills the init of an image function too.
            outcome.billed_ms += self._init_s * 1000
            yield self._env.timeout(self._init_s)
        began = self._env.now
        if self._lab:
            yield self._lab.compute(self._compute[index])
            yield self._lab.serve(self._waits[index])
            self._lab.close()
        else:
            yield self._env.timeout(self._compute[index] + self._waits[index])
        outcome.billed_ms += (self._env.now - began) * 1000
        self._fleet.give_back()
        done = self._env.now + self._after[index]
        outcome.latencies.append((done - self._starts[index]) * 1000)
