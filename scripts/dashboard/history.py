"""The clips that the dashboard knows of: the newest ten thousand, packed."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile
from threading import RLock
from typing import Any

from scripts.dashboard.packing import Packer, unpack
from scripts.percentiles import percentiles
from scripts.traces.clip_line import FAILED, ClipLine, SeenFace, read_clip_line

MOST_CLIPS = 10_000
LOOKED_THROUGH = 300  # clips whose faces stay at hand: to unpack each with every look takes long
LATENCIES_OF = 200
LINES_AT_HAND = 32  # those that the page of the newest shows, again and again
REJECTED = "rejected"
RATE_S = 10.0
LATE_S = 120.0  # a clip may be known of so much later than one that ended after it


@dataclass(slots=True)
class Kept:
    """A clip, small: its line is unpacked when somebody looks at it.

    `person_ids` are those of its row in the ledger; None before they were asked for. `shown_ms`
    is when the device printed it (Unix), where its spans are on this machine.
    """

    clip_id: str
    device_id: str
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
        return self.line().row

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
        return _line(self.packed, self.packed_with, self.logged_ms, self.stream)


@lru_cache(LINES_AT_HAND)
def _line(packed: bytes, packed_with: bytes, logged_ms: int, stream: str) -> ClipLine:
    line = read_clip_line(unpack(packed, packed_with), logged_ms, stream)
    assert line is not None  # noqa: S101  it was read before it was packed
    return line


class ClipCounts:
    """Counts over all kept clips, kept up with each: a page that opens counts nothing."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.devices: Counter[str] = Counter()
        self.people: Counter[str] = Counter()

    def count(self, clip: Kept, by: int = 1) -> None:
        self.statuses[clip.status] += by
        self.devices[clip.device_id] += by
        self.count_people(clip, by)

    def count_people(self, clip: Kept, by: int = 1) -> None:
        for one in clip.person_ids or ():
            self.people[one] += by

    def fields(self) -> dict[str, dict[str, int]]:
        """Most frequent first; who is in no clip any more is not there."""
        counts = {"statuses": self.statuses, "devices": self.devices, "people": self.people}
        return {name: dict((+one).most_common()) for name, one in counts.items()}


class ClipHistory:
    """Newest last. Any thread may ask."""

    def __init__(self, most: int = MOST_CLIPS, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._now = now
        self._lock = RLock()
        self._clips: dict[str, Kept] = {}
        self._unnamed: dict[str, Kept] = {}
        self._faces: dict[str, tuple[SeenFace, ...]] = {}
        self._counts = ClipCounts()
        self._packer = Packer()
        # Of thousands of clips most show the same few.
        self._together: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, message: str, line: ClipLine) -> bool:
        """Keep a clip's line; whether it was news. A failed try never covers an answer."""
        with self._lock:
            before = self._clips.get(line.clip_id)
            if before is not None and (line.status == FAILED or before.logged_ms >= line.logged_ms):
                return False
            if before is not None:
                self._counts.count(before, -1)
                del self._clips[line.clip_id]  # the newest stand last
            kept = self._clips[line.clip_id] = Kept(
                line.clip_id,
                sys.intern(line.device_id),
                sys.intern(line.status),
                line.people,
                line.ended_ms,
                line.capture_end_ms,
                *self._packer.pack(message),
                line.logged_ms,
                sys.intern(line.stream),
                person_ids=() if line.people == 0 else None,
            )
            self._counts.count(kept)
            self._keep_faces(line)
            self._unnamed.pop(line.clip_id, None)
            if line.people:
                self._unnamed[line.clip_id] = kept
            while len(self._clips) > self._most:
                gone = next(iter(self._clips))
                self._counts.count(self._clips.pop(gone), -1)
                self._unnamed.pop(gone, None)
                self._faces.pop(gone, None)
            return True

    def _keep_faces(self, line: ClipLine) -> None:
        self._faces.pop(line.clip_id, None)
        self._faces[line.clip_id] = line.faces
        while len(self._faces) > LOOKED_THROUGH:
            del self._faces[next(iter(self._faces))]

    def get(self, clip_id: str) -> Kept | None:
        with self._lock:
            return self._clips.get(clip_id)

    def newest(self, limit: int) -> list[Kept]:
        """Newest first."""
        with self._lock:
            return list(islice(reversed(self._clips.values()), limit))

    def with_faces(self) -> list[tuple[Kept, tuple[SeenFace, ...]]]:
        """The newest `LOOKED_THROUGH` clips and who is to be seen in them, newest first."""
        with self._lock:
            return [(self._clips[one], faces) for one, faces in reversed(self._faces.items())]

    def unnamed(self) -> list[Kept]:
        """Clips whose people were not asked for yet, newest first."""
        with self._lock:
            return list(reversed(self._unnamed.values()))

    def name(self, clip: Kept, person_ids: Iterable[str]) -> None:
        """Say who the people of a clip are."""
        with self._lock:
            self._know(clip, map(sys.intern, sorted(person_ids)))
            self._unnamed.pop(clip.clip_id, None)

    def _know(self, clip: Kept, person_ids: Iterable[str]) -> None:
        is_kept = self._clips.get(clip.clip_id) is clip  # it may have gone, or a newer line come
        if is_kept:
            self._counts.count_people(clip, -1)
        ids = tuple(person_ids)
        clip.person_ids = self._together.setdefault(ids, ids)
        if is_kept:
            self._counts.count_people(clip)

    def shown(self, clip_id: str, at_ms: float) -> None:
        clip = self.get(clip_id)
        if clip is not None:
            clip.shown_ms = at_ms

    def keep_only(self, person_ids: Iterable[str]) -> None:
        """Let go of everybody else's ids: they were forgotten."""
        known = set(person_ids)
        with self._lock:
            self._together.clear()
            for clip in self._clips.values():
                if clip.person_ids and not known.issuperset(clip.person_ids):
                    self._know(clip, [one for one in clip.person_ids if one in known])

    def summary(self) -> dict[str, Any]:
        """Counts and times for the head of the page."""
        since_ms = (self._now() - RATE_S) * 1000
        with self._lock:
            lately = takewhile(
                lambda clip: clip.ended_ms >= since_ms - LATE_S * 1000,
                reversed(self._clips.values()),
            )
            ended = sum(clip.ended_ms >= since_ms for clip in lately)
            latencies = self._latencies(self.newest(LATENCIES_OF))
            return {
                "clips": len(self._clips),
                "latency_ms": percentiles([one for one in latencies if one is not None]),
                "clips_per_s": round(ended / RATE_S, 2),
                **self._counts.fields(),
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
