"""Cores that everything in the lab shares: with too much to do at once, all of it slows down."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

_NOTHING_S = 1e-9


@dataclass(frozen=True)
class Shares:
    """What a clip's work takes of a machine: `cores` that there are, how many of them the
    function computes on and how many everything else keeps busy meanwhile, and CPU time in ms
    that a clip costs after it was shown."""

    cores: float
    computing: float
    serving: float
    afterwards_ms: float


@dataclass
class _Job:
    left_s: float
    width: float
    takes_turns: bool
    done: simpy.Event


class SharedCores:
    """Processor sharing. A job that would take `seconds` on `width` cores takes them alone on the
    machine; while more cores are asked for than there are, each job gets its share of them. Those
    that take turns, as threads of one interpreter do, get one core together.
    """

    def __init__(self, env: simpy.Environment, cores: float):
        self._env = env
        self._cores = cores
        self._jobs: list[_Job] = []
        self._looked_at = 0.0
        self._changes = 0

    def spend(self, seconds: float, width: float, *, takes_turns: bool = False) -> simpy.Event:
        """The event of its end."""
        done = self._env.event()
        if seconds <= _NOTHING_S:
            return done.succeed()
        self._pass_time()
        self._jobs.append(_Job(seconds, width, takes_turns, done))
        self._look_ahead()
        return done

    def _speeds(self) -> tuple[float, float]:
        """Of jobs that take turns, and of all others; 1 is a machine with nothing else to do."""
        in_turns = sum(job.width for job in self._jobs if job.takes_turns)
        at_once = sum(job.width for job in self._jobs if not job.takes_turns)
        asked = min(in_turns, 1.0) + at_once
        others = min(1.0, self._cores / asked) if asked else 1.0
        return others / max(in_turns, 1.0), others

    def _pass_time(self) -> None:
        in_turns, others = self._speeds()
        passed = self._env.now - self._looked_at
        self._looked_at = self._env.now
        for job in self._jobs:
            job.left_s -= passed * (in_turns if job.takes_turns else others)

    def _look_ahead(self) -> None:
        """Wake up when the next job ends; a change before that makes this look void."""
        self._changes += 1
        if self._jobs:
            in_turns, others = self._speeds()
            next_s = min(
                job.left_s / (in_turns if job.takes_turns else others) for job in self._jobs
            )
            self._env.process(self._end_after(max(0.0, next_s), self._changes))

    def _end_after(self, seconds: float, change: int) -> Generator[simpy.Event, Any, None]:
        yield self._env.timeout(seconds)
        if change != self._changes:
            return
        self._pass_time()
        for job in [job for job in self._jobs if job.left_s <= _NOTHING_S]:
            self._jobs.remove(job)
            job.done.succeed()
        self._look_ahead()


class LabWork:
    """The parts of a clip's way in a lab, on cores that they share."""

    def __init__(self, env: simpy.Environment, shares: Shares):
        self._cores = SharedCores(env, shares.cores)
        self._shares = shares

    def compute(self, seconds: float) -> simpy.Event:
        """The function's own."""
        return self._cores.spend(seconds, self._shares.computing)

    def serve(self, seconds: float) -> simpy.Event:
        """The emulator's, which is one interpreter."""
        return self._cores.spend(seconds, self._shares.serving, takes_turns=True)

    def close(self) -> simpy.Event:
        """What a clip costs after its result."""
        return self._cores.spend(self._shares.afterwards_ms / 1000, 1.0, takes_turns=True)
