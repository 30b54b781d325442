"""A gate before the outbox, off unless asked for: clips that show nobody stay on the device.

What it can't judge, for an error or for want of time, is sent. What it holds back is counted and
told, and gone. `facelab bench-gate` measures what each gate misses.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Any, Protocol

from device.clip_record import ClipRecord
from device.crew import Crew, Failed, describe

GATES = ("motion", "face")
# More clips than these do not wait to be looked at: the oldest goes on unseen.
MOST_WAITING = 8
# At the end of the program: how long what waits may take. What is left then is sent unseen.
CLOSE_S = 5.0
LATE = "clips come faster than it can look"
FIELDS = (64, 48)
# A field is so much brighter or darker than in the clip before, as a logarithm: 1.8 times. Chosen
# on the fixture, where people change 2.2 times at least.
LEAST_CHANGE = 0.6
# So that the noise of a dark field is no change.
_LOG = [math.log(level + 8) for level in range(256)]

Look = Callable[[bytes], bool]
"""Whether a clip may show somebody. Whatever it raises says that it can't tell."""


class Receiver(Protocol):
    """The outbox, as far as the gate needs it."""

    def accept(self, record: ClipRecord, data: bytes) -> None: ...

    def hold_back(self, record: ClipRecord) -> None: ...


class Motion:
    """Whether something has moved since the clip before: their first pictures, in 64 × 48 fields.

    Light that changes everywhere is no motion. The first clip has none before it, and may show
    somebody. Who keeps still for a whole clip is missed.

    Raises
    ------
    DecoderMissing
        When PyAV is not installed.
    """

    def __init__(self) -> None:
        from device.portraits.decoding import first_picture, require_decoder  # not unasked

        require_decoder()
        self._first_picture = first_picture
        self._before: list[float] | None = None

    def __call__(self, clip: bytes) -> bool:
        rows = self._first_picture(clip).gray(*FIELDS)
        now = [_LOG[level] for row in rows for level in row]
        before, self._before = self._before, now
        if before is None:
            return True
        changes = [after - earlier for after, earlier in zip(now, before, strict=True)]
        usual = sorted(changes)[len(changes) // 2]
        return max(abs(change - usual) for change in changes) > LEAST_CHANGE


class SomeFace:
    """Whether the first picture has a face, as the function would see it.

    Raises
    ------
    DeviceError
        When PyAV, the lab's recognition or its models are not on this machine.
    """

    def __init__(self) -> None:
        from device.portraits.decoding import first_picture, require_decoder  # not unasked
        from device.portraits.faces import lab_glance

        require_decoder()
        self._first_picture = first_picture
        self._glance = lab_glance()

    def __call__(self, clip: bytes) -> bool:
        return self._glance(self._first_picture(clip))


def look_of(gate: str) -> Look:
    """One of `GATES`.

    Raises
    ------
    DeviceError
        When this machine lacks what it needs.
    """
    return Motion() if gate == "motion" else SomeFace()


class Gate:
    """Takes clips from the recorder, looks at them in a thread, hands them on or holds them back.

    `report("gate", {"problem": …})` is told once when it can't judge, and once when it can again.
    """

    def __init__(
        self,
        look: Look,
        receiver: Receiver,
        report: Callable[[str, dict[str, Any]], None],
        failed: Failed,
        *,
        close_s: float = CLOSE_S,
    ) -> None:
        self._look = look
        self._receiver = receiver
        self._report = report
        self._close_s = close_s
        self._changed = Condition()
        self._waiting: deque[tuple[ClipRecord, bytes]] = deque()
        self._in_hand: tuple[ClipRecord, bytes] | None = None
        self._ending = False
        self._late = False
        self._trouble = ""
        self._thread = Crew(failed).start("gate", self._run)

    def accept(self, record: ClipRecord, data: bytes) -> None:
        """Take a clip over. Never waits."""
        unseen = None
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                unseen, self._late = self._waiting.popleft(), True
            self._waiting.append((record, data))
            self._changed.notify_all()
        if unseen is not None:
            self._receiver.accept(*unseen)
            self._tell_trouble(LATE)

    def close(self) -> None:
        """Judge what waits; what is left after `close_s` is sent unseen."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(self._close_s)
        with self._changed:
            left = [*([self._in_hand] if self._in_hand else []), *self._waiting]
            self._in_hand = None
            self._waiting.clear()
        for record, data in left:
            self._receiver.accept(record, data)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                record, data = self._in_hand = self._waiting.popleft()
            passes, trouble = True, ""
            try:
                passes = self._look(data)
            except Exception as error:  # whatever a decoder or a network raises
                trouble = describe(error)
            with self._changed:
                if self._in_hand is None:
                    return  # took too long: `close` has sent it
                self._in_hand = None
                self._late = self._late and bool(self._waiting)  # until it has caught up
                trouble = trouble or (LATE if self._late else "")
            if passes:
                self._receiver.accept(record, data)
            else:
                self._receiver.hold_back(record)
            self._tell_trouble(trouble)

    def _tell_trouble(self, text: str) -> None:
        with self._changed:
            is_news, self._trouble = text != self._trouble, text
        if is_news:
            self._report("gate", {"problem": text or None})
