"""The clips that the dashboard knows of: the newest ten thousand, packed."""

from __future__ import annotations

import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import RLock
from typing import Any

from scripts.dashboard.packing import Packer, unpack
from scripts.percentiles import percentiles
from scripts.traces.clip_line import FAILED, ClipLine, read_clip_line, row_of

MOST_CLIPS = 10_000
LATENCIES_OF = 200
REJECTED = "rejected"
RATE_S = 10.0


@dataclass(slots=True)
class Kept:
    """A clip, small: its line is unpacked when somebody looks at it.

    `person_ids` are those of its row in the ledger; None before they were asked for. `shown_ms`
    is when the device printed it (Unix), where its spans are on this machine.
    """

    clip_id: str
    device_id: str
    result_id: str
    status: str
    people: int
    ended_ms: float
    capture_end_ms: float | None
    packed: bytes
    packed_with: bytes
    logged_ms: int
    stream: str
    person_ids: tuple[str, ...] | None = None
    shown_ms: float | None = None

    @property
    def key(self) -> str:
        """The object's, in the bucket."""
        return self.line().key

    @property
    def row(self) -> str:
        """The clip's row in the ledger."""
        return row_of(self.device_id, self.clip_id, self.result_id)

    @property
    def latency_ms(self) -> float | None:
        """From the clip's end to its result on the screen; else to the function's end."""
        if self.capture_end_ms is None:
            return None
        return (self.shown_ms or self.ended_ms) - self.capture_end_ms

    @property
    def named(self) -> tuple[str, ...] | None:
        """Person ids that the line's ordinals stand for; None where somebody was forgotten."""
        ids = self.person_ids
        return ids if ids is not None and len(ids) == self.people else None

    def line(self) -> ClipLine:
        text = unpack(self.packed, self.packed_with)
        line = read_clip_line(text, self.logged_ms, self.stream)
        assert line is not None  # noqa: S101  it was read before it was packed
        return line


class ClipHistory:
    """Newest last. Any thread may ask."""

    def __init__(self, most: int = MOST_CLIPS, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._now = now
        self._lock = RLock()
        self._clips: OrderedDict[str, Kept] = OrderedDict()
        self._unnamed: dict[str, Kept] = {}
        self._packer = Packer()

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, message: str, line: ClipLine) -> bool:
        """Keep a clip's line; whether it was news. A failed try never covers an answer."""
        with self._lock:
            before = self._clips.get(line.clip_id)
            if before is not None and (line.status == FAILED or before.logged_ms >= line.logged_ms):
                return False
            self._clips[line.clip_id] = Kept(
                line.clip_id,
                sys.intern(line.device_id),
                line.result_id,
                sys.intern(line.status),
                line.people,
                line.ended_ms,
                line.capture_end_ms,
                *self._packer.pack(message),
                line.logged_ms,
                sys.intern(line.stream),
                person_ids=() if line.people == 0 else None,
            )
            self._clips.move_to_end(line.clip_id)
            self._unnamed.pop(line.clip_id, None)
            if line.people:
                self._unnamed[line.clip_id] = self._clips[line.clip_id]
            while len(self._clips) > self._most:
                gone, _ = self._clips.popitem(last=False)
                self._unnamed.pop(gone, None)
            return True

    def get(self, clip_id: str) -> Kept | None:
        with self._lock:
            return self._clips.get(clip_id)

    def newest(self, limit: int) -> list[Kept]:
        """Newest first."""
        with self._lock:
            return list(islice(reversed(self._clips.values()), limit))

    def unnamed(self) -> list[Kept]:
        """Clips whose people were not asked for yet, newest first."""
        with self._lock:
            return list(reversed(self._unnamed.values()))

    def name(self, clip: Kept, person_ids: Iterable[str]) -> None:
        """Say who the people of a clip are."""
        with self._lock:
            clip.person_ids = tuple(map(sys.intern, sorted(person_ids)))
            self._unnamed.pop(clip.clip_id, None)

    def shown(self, clip_id: str, at_ms: float) -> None:
        clip = self.get(clip_id)
        if clip is not None:
            clip.shown_ms = at_ms

    def keep_only(self, person_ids: Iterable[str]) -> None:
        """Let go of everybody else's ids: they were forgotten."""
        known = set(person_ids)
        for clip in self.newest(self._most):
            if clip.person_ids and not known.issuperset(clip.person_ids):
                clip.person_ids = tuple(one for one in clip.person_ids if one in known)

    def summary(self) -> dict[str, Any]:
        """Counts and times for the head of the page."""
        clips = self.newest(self._most)
        latencies = [one for one in self._latencies(clips) if one is not None]
        since_ms = (self._now() - RATE_S) * 1000
        people: Counter[str] = Counter()
        for clip in clips:
            people.update(clip.person_ids or ())
        return {
            "clips": len(clips),
            "latency_ms": percentiles(latencies),
            "clips_per_s": round(sum(clip.ended_ms >= since_ms for clip in clips) / RATE_S, 2),
            "statuses": dict(Counter(clip.status for clip in clips).most_common()),
            "devices": dict(Counter(clip.device_id for clip in clips).most_common()),
            "people": dict(people.most_common()),
        }

    def striking(self, most: int = 5) -> dict[str, list[Kept]]:
        """Of the newest clips those to look at first: the slowest, and those that failed."""
        clips = self.newest(LATENCIES_OF)
        slowest = sorted(clips, key=lambda one: one.latency_ms or 0.0, reverse=True)
        failed = [one for one in clips if one.status in (FAILED, REJECTED)]
        return {"slowest": slowest[:most], "failed": failed[:most]}

    @staticmethod
    def _latencies(clips: list[Kept]) -> Iterator[float | None]:
        return (clip.latency_ms for clip in clips[:LATENCIES_OF])

    def points(self, most: int = LATENCIES_OF) -> list[tuple[float, float]]:
        """(when, latency in ms) of the newest clips, oldest first, for the chart."""
        clips = self.newest(most)[::-1]
        return [
            (round(clip.ended_ms / 1000, 2), round(clip.latency_ms, 1))
            for clip in clips
            if clip.latency_ms is not None
        ]
