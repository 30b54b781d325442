"""One seeded scheduler: tasks are greenlets, processes are groups of tasks that die together."""

from __future__ import annotations

import heapq
import itertools
import math
import random
import traceback
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

SECOND = 1_000_000_000
EPOCH_NS = 1_795_000_000 * SECOND
# A history that runs longer than this in steps does not come to rest.
MOST_STEPS = 400_000


class Killed(BaseException):
    """Ends a task of a process that was killed. Production code must not catch it."""


class Stuck(AssertionError):
    """The history does not come to an end."""


class Task(greenlet):
    """A thread of a simulated process."""

    def __init__(self, world: World, process: Process, target: Callable[[], Any], name: str):
        super().__init__(self._body, world.hub)
        self.world = world
        self.process = process
        self.target = target
        self.name = name
        self.daemon = True
        self.finished = False
        self.joiners: list[Task] = []
        self.waiting = 0  # counts waits: a timer of an earlier wait means nothing
        self.woken = False
        self.is_ready = False

    def _body(self) -> None:
        try:
            self.target()
        except Killed:
            pass
        except SystemExit as end:
            self.process.status = end.code if isinstance(end.code, int) else 1
        except BaseException as error:
            self.world.thread_died(self, error)
        finally:
            self.finished = True
            for joiner in self.joiners:
                self.world.wake(joiner)


class Process:
    """A program, or a function's environment: what `kill -9` ends."""

    def __init__(self, world: World, name: str, host: Any, environment: dict[str, str]):
        self.world = world
        self.name = name
        self.host = host
        self.environment = environment
        self.tasks: list[Task] = []
        self.dead = False
        self.status: int | None = None
        self.files: dict[int, Any] = {}
        self.handlers: dict[int, Any] = {}
        self.on_end: Callable[[Process], None] = lambda process: None
        self.on_line: Callable[[Process, str, str], None] = lambda process, stream, line: None

    def spawn(self, target: Callable[[], Any], name: str) -> Task:
        task = Task(self.world, self, target, name)
        self.tasks.append(task)
        self.world.make_ready(task)
        return task

    def run(self, main: Callable[[], int | None]) -> Task:
        """Start with `main`; when that returns, the process has ended, daemons and all."""

        def body() -> None:
            try:
                self.status = main() or 0
                for task in self.tasks:
                    if not task.daemon:
                        join(task)
            finally:
                if not self.dead:
                    self.end()

        task = self.spawn(body, "MainThread")
        return task

    def end(self) -> None:
        """All tasks but the caller's go; files are closed by the system."""
        self.dead = True
        for file in list(self.files.values()):
            file.abandon()
        self.files.clear()
        self.world.graveyard.append(self)

    def kill(self) -> None:
        if not self.dead:
            self.status = -9
            self.end()


class World:
    """Time, tasks and chance of one history."""

    def __init__(self, seed: int, preempt: float = 0.05) -> None:
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311
        self._random = self.chance.random
        self.hub = getcurrent()
        self.now_ns = 0
        self.ready: list[Task] = []
        self.timers: list[tuple[int, int, Task | Callable[[], None], int]] = []
        self.order = itertools.count()
        self.graveyard: list[Process] = []
        self.violations: list[str] = []
        self.steps = 0
        self.preempt = preempt
        self.trace: list[str] | None = None
        self.fresh = itertools.count(1)

    # --- tasks -----------------------------------------------------------------------------

    def make_ready(self, task: Task) -> None:
        if not task.is_ready and not task.finished:
            task.is_ready = True
            self.ready.append(task)

    def wake(self, task: Task) -> None:
        """End a task's wait; it goes on when the scheduler picks it."""
        if task.waiting % 2:
            task.waiting += 1
            task.woken = True
            self.make_ready(task)

    def at(self, when_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self.timers, (when_ns, next(self.order), what, 0))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.now_ns + int(seconds * SECOND), what)

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Step until `until()` or until `limit_s` of simulated time passed; whether it held."""
        limit = self.now_ns + int(limit_s * SECOND)
        ready, chance = self.ready, self.chance.random
        while True:
            while self.graveyard:
                self._bury(self.graveyard.pop())
            if not ready:
                # Asked only when time moves on: it is the dearest part of a step.
                if until():
                    return True
                if not self.timers or self.timers[0][0] > limit:
                    self.now_ns = limit
                    return until()
                self._fire()
                continue
            index = int(chance() * len(ready))
            task = ready[index]
            ready[index] = ready[-1]
            ready.pop()
            task.is_ready = False
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise Stuck(f"{MOST_STEPS} steps without coming to rest")
            if not task.finished and not task.process.dead:
                task.switch()

    def hand_over(self, task: Task) -> None:
        """From `task` to whom the scheduler picks, without the way over the hub: that is for
        the dead, for time, and for histories that do not end.
        """
        ready = self.ready
        while ready and not self.graveyard and self.steps < MOST_STEPS:
            index = int(self._random() * len(ready))
            chosen = ready[index]
            ready[index] = ready[-1]
            ready.pop()
            chosen.is_ready = False
            self.steps += 1
            if chosen is task:
                return
            if not chosen.finished and not chosen.process.dead:
                chosen.switch()
                return
        self.hub.switch()

    def _fire(self) -> None:
        """Move time on to the next timers, and wake whom they are for."""
        when = self.timers[0][0]
        self.now_ns = max(self.now_ns, when)
        while self.timers and self.timers[0][0] == when:
            _, _, what, wait = heapq.heappop(self.timers)
            if not isinstance(what, Task):
                what()
            elif what.waiting == wait and not what.finished:
                what.waiting += 1
                what.woken = False
                self.make_ready(what)

    def _bury(self, process: Process) -> None:
        for task in process.tasks:
            if not task.finished and task:  # started
                task.throw(Killed)
            task.finished = True
        process.on_end(process)

    def close(self) -> None:
        """End what is left, or greenlets of one history live on in the next."""
        while self.graveyard:
            self._bury(self.graveyard.pop())

    # --- what is seen ----------------------------------------------------------------------

    def violation(self, text: str) -> None:
        self.violations.append(f"at {self.now_ns / SECOND:.3f} s: {text}")

    def thread_died(self, task: Task, error: BaseException) -> None:
        where = "".join(traceback.format_exception(error)[-3:]).strip()
        self.violation(f"thread {task.name} of {task.process.name} died: {where}")

    def note(self, text: str) -> None:
        if self.trace is not None:
            task = getcurrent()
            who = f"{task.process.name}/{task.name}" if isinstance(task, Task) else "world"
            self.trace.append(f"{self.now_ns / SECOND:10.3f} {who:28} {text}")


def current() -> Task:
    """The task that runs. Raises Killed in one whose process is dead."""
    task = getcurrent()
    if task.process.dead:
        raise Killed
    return task


def step() -> Task:
    """Let others run first. What touches the outside world begins with a step."""
    task = current()
    world = task.world
    if not task.is_ready:
        task.is_ready = True
        world.ready.append(task)
    world.hand_over(task)
    if task.process.dead:
        raise Killed
    return task


def maybe_step() -> Task:
    """A place where the operating system might switch threads."""
    task = current()
    if task.world.chance.random() < task.world.preempt:
        return step()
    return task


def wait(seconds: float | None = None) -> bool:
    """Until somebody wakes this task, or `seconds` passed; whether it was woken."""
    task = current()
    task.waiting += 1
    if seconds is not None:
        # Rounded up: whoever waits for the rest of a deadline has then reached it.
        when = task.world.now_ns + max(0, math.ceil(seconds * SECOND))
        heapq.heappush(task.world.timers, (when, next(task.world.order), task, task.waiting))
    task.world.hand_over(task)
    if task.process.dead:
        raise Killed
    return task.woken


def join(task: Task, timeout: float | None = None) -> None:
    if not task.finished:
        task.joiners.append(current())
        wait(timeout)
