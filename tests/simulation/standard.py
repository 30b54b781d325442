"""`threading`, `queue` and `time` as production code knows them, on the scheduler."""

from __future__ import annotations

import math
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent

from tests.simulation.scheduler import (
    EPOCH_NS,
    SECOND,
    Task,
    current,
    join,
    maybe_step,
    step,
    wait,
)


class Lock:
    """A mutex. Waiters go on in the order that the scheduler chooses."""

    reentrant = False

    def __init__(self) -> None:
        self._owner: Any = None
        self._depth = 0
        self._waiters: deque[Task] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        task = maybe_step()
        if self._owner is task and self.reentrant:
            self._depth += 1
            return True
        while self._owner is not None and not self._owner.process.dead:
            if not blocking:
                return False
            self._waiters.append(task)
            if not wait(timeout if timeout >= 0 else None) and self._owner is not None:
                return False
        self._owner = task
        self._depth = 1
        return True

    def release(self) -> None:
        task = getcurrent()
        if task.process.dead:
            return
        if self._owner is None:
            raise RuntimeError("release unlocked lock")
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            if self._waiters:
                task.world.wake(self._waiters.popleft())

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class RLock(Lock):
    reentrant = True


class Condition:
    """As `threading.Condition`."""

    def __init__(self, lock: Lock | None = None) -> None:
        self._lock = lock or RLock()
        self.acquire, self.release = self._lock.acquire, self._lock.release
        self._waiters: list[Task] = []

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        task = current()
        depth, self._lock._depth = self._lock._depth, 1
        self._waiters.append(task)
        self._lock.release()
        woken = wait(timeout)
        if not woken and task in self._waiters:
            self._waiters.remove(task)
        self._lock.acquire()
        self._lock._depth = depth
        return woken

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        world = current().world
        deadline = None if timeout is None else world.now_ns + math.ceil(timeout * SECOND)
        while not (value := predicate()):
            left = None if deadline is None else (deadline - world.now_ns) / SECOND
            if left is not None and left <= 0:
                return value
            self.wait(left)
        return value

    def notify(self, n: int = 1) -> None:
        world = current().world
        for _ in range(min(n, len(self._waiters))):
            world.wake(self._waiters.pop(0))

    def notify_all(self) -> None:
        self.notify(len(self._waiters))


class Event:
    """As `threading.Event`; a signal handler may set it."""

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[Task] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiters, self._waiters = self._waiters, []
        for task in waiters:
            task.world.wake(task)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        task = step()
        if not self._set:
            self._waiters.append(task)
            wait(timeout)
        return self._set


class Semaphore:
    def __init__(self, value: int = 1) -> None:
        self._condition = Condition()
        self._value = value

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        with self._condition:
            if not self._condition.wait_for(lambda: self._value > 0, timeout if blocking else 0):
                return False
            self._value -= 1
            return True

    def release(self, n: int = 1) -> None:
        with self._condition:
            self._value += n
            self._condition.notify(n)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Thread:
    """As `threading.Thread`."""

    def __init__(
        self,
        group: None = None,
        target: Callable[..., Any] | None = None,
        name: str | None = None,
        args: tuple = (),
        kwargs: dict | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self._target, self._args, self._kwargs = target, args, kwargs or {}
        self.name = name or "Thread"
        self.daemon = bool(daemon)
        self._task: Task | None = None

    def run(self) -> None:
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def start(self) -> None:
        if self._task is not None:
            raise RuntimeError("threads can only be started once")
        self._task = current().process.spawn(self.run, self.name)
        self._task.daemon = self.daemon
        self._task.thread = self
        maybe_step()

    def join(self, timeout: float | None = None) -> None:
        if self._task is None:
            raise RuntimeError("cannot join thread before it is started")
        join(self._task, timeout)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.finished

    @property
    def ident(self) -> int | None:
        return None if self._task is None else id(self._task)


class SimpleQueue:
    """As `queue.SimpleQueue` and, with a size, `queue.Queue`."""

    def __init__(self, maxsize: int = 0) -> None:
        self._items: deque[Any] = deque()
        self._most = maxsize
        self._condition = Condition()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        with self._condition:
            if self._most and not self._condition.wait_for(
                lambda: len(self._items) < self._most, timeout if block else 0
            ):
                raise queue.Full
            self._items.append(item)
            self._condition.notify_all()

    def put_nowait(self, item: Any) -> None:
        self.put(item, block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        with self._condition:
            if not self._condition.wait_for(lambda: self._items, timeout if block else 0):
                raise queue.Empty
            self._condition.notify_all()
            return self._items.popleft()

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


class _Local:
    """`threading.local`, by task."""

    def __init__(self) -> None:
        object.__setattr__(self, "_by_task", {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._by_task[id(getcurrent())][name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._by_task.setdefault(id(getcurrent()), {})[name] = value


def _current_thread() -> Any:
    task = getcurrent()
    return getattr(task, "thread", task)


threading = _module(
    "threading",
    Thread=Thread,
    Lock=Lock,
    RLock=RLock,
    Condition=Condition,
    Event=Event,
    Semaphore=Semaphore,
    BoundedSemaphore=Semaphore,
    local=_Local,
    current_thread=_current_thread,
    main_thread=lambda: getcurrent().process.tasks[0],
    get_ident=lambda: id(getcurrent()),
    excepthook=None,
)


class _Empty(Exception):
    pass


class _Full(Exception):
    pass


queue = _module("queue", SimpleQueue=SimpleQueue, Queue=SimpleQueue, Empty=_Empty, Full=_Full)


def _monotonic_ns() -> int:
    return current().world.now_ns + SECOND


def _wall_ns() -> int:
    task = current()
    return EPOCH_NS + task.world.now_ns + task.process.host.wall_offset_ns


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    wait(seconds)


time = _module(
    "time",
    time=lambda: _wall_ns() / SECOND,
    time_ns=_wall_ns,
    monotonic=lambda: _monotonic_ns() / SECOND,
    monotonic_ns=_monotonic_ns,
    perf_counter=lambda: _monotonic_ns() / SECOND,
    perf_counter_ns=_monotonic_ns,
    process_time=lambda: _monotonic_ns() / SECOND,
    thread_time=lambda: _monotonic_ns() / SECOND,
    sleep=_sleep,
)
