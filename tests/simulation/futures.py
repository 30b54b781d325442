"""`concurrent.futures` on the scheduler."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from tests.simulation.scheduler import Killed
from tests.simulation.standard import Condition, SimpleQueue, Thread


class CancelledError(Exception):
    """The future was cancelled before it ran."""


class Future:
    """As `concurrent.futures.Future`."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._state = "pending"
        self._result: Any = None
        self._error: BaseException | None = None

    def __class_getitem__(cls, _: Any) -> type[Future]:
        return cls

    def cancel(self) -> bool:
        with self._condition:
            if self._state == "pending":
                self._state = "cancelled"
                self._condition.notify_all()
            return self._state == "cancelled"

    def cancelled(self) -> bool:
        return self._state == "cancelled"

    def done(self) -> bool:
        return self._state in ("cancelled", "finished")

    def result(self, timeout: float | None = None) -> Any:
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._result

    def exception(self, timeout: float | None = None) -> BaseException | None:
        with self._condition:
            if not self._condition.wait_for(self.done, timeout):
                raise TimeoutError
        if self._state == "cancelled":
            raise CancelledError
        return self._error

    def run(self, work: Callable[[], Any]) -> None:
        with self._condition:
            if self._state == "cancelled":
                return
            self._state = "running"
        try:
            self._result = work()
        except Killed:
            raise
        except BaseException as error:
            self._error = error
        with self._condition:
            self._state = "finished"
            self._condition.notify_all()


class ThreadPoolExecutor:
    """As `concurrent.futures.ThreadPoolExecutor`; its threads start with the first work."""

    def __init__(self, max_workers: int = 4, thread_name_prefix: str = "pool", **_: Any) -> None:
        self._queue = SimpleQueue()
        self._most = max_workers
        self._name = thread_name_prefix
        self._threads: list[Thread] = []

    def submit(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Future:
        future = Future()
        self._queue.put((future, lambda: work(*arguments, **named)))
        if len(self._threads) < self._most:
            thread = Thread(target=self._work, name=f"{self._name}_{len(self._threads)}",
                            daemon=True)  # fmt: skip
            self._threads.append(thread)
            thread.start()
        return future

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            future, work = job
            future.run(work)

    def shutdown(self, wait: bool = True, **_: Any) -> None:
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def __enter__(self) -> ThreadPoolExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


module = types.ModuleType("concurrent.futures")
module.__dict__.update(
    Future=Future, ThreadPoolExecutor=ThreadPoolExecutor, CancelledError=CancelledError
)
