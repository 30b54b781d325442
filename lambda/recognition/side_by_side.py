"""Work that need not be done one after the other, on two threads.

OpenCV, libav and onnxruntime leave Python's lock while they compute, and each of them has one
thread here. Two threads cost a loaded machine nothing: whichever is free takes what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_HELPER = ThreadPoolExecutor(1, thread_name_prefix="helper")
# So many items wait for their reader at most: pictures are large.
_ROOM = 4


def share(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What `work` makes of each item, in their order. The long ones stand first at best.

    Returns when all is done; a helper that is busy with something else is not waited for.
    """
    if len(items) < 2:
        return [work(item) for item in items]
    done: dict[int, R] = {}
    turns = iter(range(len(items)))

    def take_turns() -> None:
        for turn in turns:
            done[turn] = work(items[turn])

    helping = _HELPER.submit(take_turns)
    try:
        take_turns()
    finally:
        for _ in turns:  # whatever is left after an error
            pass
        if not helping.cancel():
            helping.exception()
    if not helping.cancelled():
        helping.result()
    return [done[turn] for turn in range(len(items))]


@dataclass(frozen=True)
class _End:
    error: BaseException


class Ahead(Generic[T]):
    """An iterator that, once `start` is called, is run by a thread ahead of its reader.

    It ends, and raises, where `items` does. As a context manager it leaves no thread behind.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._made: SimpleQueue[T | _End] = SimpleQueue()
        self._room = Semaphore(_ROOM)
        self._thread: Thread | None = None
        self._is_over = False

    def start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="ahead", daemon=True)
            self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._thread is None:
            return next(self._items)
        if self._is_over:
            raise StopIteration
        made = self._made.get()
        self._room.release()
        if isinstance(made, _End):
            self._is_over = True
            raise made.error
        return made

    def _run(self) -> None:
        while self._room.acquire() and not self._is_over:
            try:
                self._made.put(next(self._items))
            except BaseException as error:
                self._made.put(_End(error))
                return

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        if self._thread is not None:
            self._room.release()
            self._thread.join()
