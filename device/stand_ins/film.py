"""A film that plays on a clock, and what is recorded of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from contract.annexb import access_units, nal_units


class Output(Protocol):
    """What takes a recording: a file, or any object with `write`."""

    def write(self, data: bytes) -> Any: ...


@dataclass(frozen=True)
class Film:
    """Encoded frames of a `.h264` file, endlessly: after the last comes the first again."""

    frames: tuple[bytes, ...]
    keys: tuple[int, ...]
    fps: float = 30.0

    @classmethod
    def read(cls, path: Path, fps: float = 30.0) -> Film:
        """The film in a file of raw H.264.

        Raises
        ------
        ValueError
            When it has no key frame.
        OSError
            When it can't be read.
        """
        stream = path.read_bytes()
        units = list(access_units(nal_units(stream)))
        first = next((at for at, unit in enumerate(units) if unit.is_self_contained), None)
        if first is None:
            raise ValueError(f"{path} has no H.264 key frame")
        units = units[first:]
        frames = tuple(stream[unit.start : unit.end] for unit in units)
        keys = tuple(at for at, unit in enumerate(units) if unit.is_self_contained)
        return cls(frames, keys, fps)

    def frame(self, number: int) -> bytes:
        return self.frames[number % len(self.frames)]

    def is_key(self, number: int) -> bool:
        return number % len(self.frames) in self._key_set

    @cached_property
    def _key_set(self) -> frozenset[int]:
        return frozenset(self.keys)

    def key_before(self, number: int) -> int:
        while not self.is_key(number):
            number -= 1
        return number

    @property
    def slack_s(self) -> float:
        """Half of the shortest time between key frames: how far back a cut may be taken."""
        ends = (*self.keys[1:], len(self.frames))
        return min(end - begin for begin, end in zip(self.keys, ends, strict=True)) / self.fps / 2


@dataclass
class Recording:
    """Writes frames as they are due, from a key frame of the film on.

    An encoder has frames in it that are not written yet, and so has this: a cut that is asked
    for a little after a key frame is still made there.
    """

    film: Film
    begins: int
    output: Output
    _next: int = field(init=False)
    _last_cut: int = field(init=False)
    _cuts: list[tuple[int, Output]] = field(default_factory=list)
    _began_s: float = field(default_factory=lambda: time.monotonic())
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False
    _error: Exception | None = None

    def __post_init__(self) -> None:
        self._next = self._last_cut = self.begins
        self._thread = threading.Thread(target=self._run, name="film", daemon=True)
        self._thread.start()

    def split(self, output: Output) -> Output:
        """Go on in `output` from a key frame that is near; what was written to until then."""
        with self._changed:
            self._check()
            wanted = self._now() - self.film.slack_s * self.film.fps
            # At least a frame after the last cut: no output stays empty.
            at = max(self._next, int(wanted), self._last_cut + 1)
            while not self.film.is_key(at):
                at += 1
            before, self._last_cut = self.output, at
            self._cuts.append((at, output))
            self._changed.notify_all()
            while self.output is before and self._error is None:
                self._changed.wait()
            self._check()
            return before

    def stop(self) -> None:
        """Write what is over by now, and end.

        Raises
        ------
        Exception
            What the output raised.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._check()

    def wait(self, seconds: float) -> None:
        """Return after that time, or raise what the output raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None, seconds)
            self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _now(self) -> float:
        """The film's time in frames."""
        return self.begins + (time.monotonic() - self._began_s) * self.film.fps

    def _run(self) -> None:
        try:
            with self._changed:
                while not self._stopping:
                    self._write_until(self._now() - self.film.slack_s * self.film.fps)
                    self._changed.wait(1 / self.film.fps)
                self._write_until(self._now())
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write_until(self, now: float) -> None:
        """Frames that are over; all up to a cut that is over already."""
        due = max([now, *(at for at, _ in self._cuts if at <= self._now())])
        while self._next + 1 <= due or (self._cuts and self._cuts[0][0] <= min(self._next, due)):
            if self._cuts and self._cuts[0][0] <= self._next:
                self.output = self._cuts.pop(0)[1]
                self._changed.notify_all()
                continue
            self.output.write(self.film.frame(self._next))
            self._next += 1
