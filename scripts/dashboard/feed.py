"""Follows a running lab: reads its log, tables and spans, and tells the pages of what is new.

Nothing is taken from a device's queue, and nothing is changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import Switch
from scripts.dashboard.history import MOST_CLIPS, ClipHistory
from scripts.dashboard.known_people import KnownPeople
from scripts.dashboard.memory import give_back
from scripts.traces.clip_line import read_clip_line
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.function_log import CLIPS_PATTERN

WATCHED_S = 0.4  # while somebody looks and clips come
QUIET_S = 0.6  # while somebody looks and none came for a while
QUIET_AFTER_S = 10.0
UNWATCHED_S = 2.0
TROUBLE_S = 1.0
# Environments write their lines side by side: one may come after a later one.
OVERLAP_MS = 5_000
# What is older than this is asked for only now and then: an idle lab has nothing to answer.
SETTLED_MS = 30_000
# A log may take lines late: every so often everything of the last minutes is looked at again.
LATE_MS = 180_000
LATE_EVERY_S = 10.0
HISTORY_S = 86_400
GIVE_BACK_EVERY_S = 60.0
PAGE = 250  # what is read at once takes memory that does not all go back to the system
NAMED_AT_ONCE = 1_000
FIRST = "asking for the first time"


@dataclass(frozen=True)
class CloudLink:
    """Whether the cloud answers; if not, since when (Unix seconds) and why."""

    is_up: bool = True
    since_s: float = 0.0
    why: str = ""


class Feed:
    """One thread that reads. `listen` is called, from it, whenever there is something new.

    `people_changed` is called when somebody came, went or changed, `refused` when the cloud
    answers, but not to us.
    """

    def __init__(
        self,
        switch: Switch,
        spans: DeviceSpans,
        history: ClipHistory | None = None,
        people_changed: Callable[[], object] = lambda: None,
        refused: Callable[[], object] = lambda: None,
    ) -> None:
        self._people_changed = people_changed
        self._refused = refused
        self._switch = switch
        self.spans = spans
        self.history = history or ClipHistory()
        self.people: KnownPeople | None = None
        self.link = CloudLink(False, time.time(), FIRST)
        self.version = 0
        self.watchers = 0
        self._cursor_ms = int((time.time() - HISTORY_S) * 1000)
        self._late_s = 0.0
        self._has_looked = False
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._listeners: list[Callable[[], object]] = []
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._hurry.set()
        self._thread.join(5)

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` at each change, until what this returns is called."""
        self._listeners.append(listener)
        self.watchers += 1
        self._hurry.set()

        def leave() -> None:
            self._listeners.remove(listener)
            self.watchers -= 1

        return leave

    def changed(self) -> None:
        self.version += 1
        for listener in list(self._listeners):
            listener()

    def look_now(self) -> None:
        """Something was changed by us: do not wait for the next turn."""
        if self.people is not None:
            self.people.expire()
        self._hurry.set()

    def _run(self) -> None:
        given_back_s = time.monotonic()
        news_s = 0.0
        while not self._stop.is_set():
            if time.monotonic() - given_back_s > GIVE_BACK_EVERY_S:
                give_back()
                given_back_s = time.monotonic()
            try:
                if self.look():
                    news_s = time.monotonic()
                    self.changed()
                pause_s = self._pause_s(time.monotonic() - news_s)
            except (BotoCoreError, ClientError) as error:
                self._lost(error)
                pause_s = TROUBLE_S
            looked_s = time.monotonic()
            self._hurry.wait(pause_s)
            self._hurry.clear()
            # However many pages open: the lab is not asked more often than for one.
            self._stop.wait(looked_s + WATCHED_S - time.monotonic())

    def _pause_s(self, quiet_s: float) -> float:
        if not self.watchers:
            return UNWATCHED_S
        return WATCHED_S if quiet_s < QUIET_AFTER_S else QUIET_S

    def look(self) -> bool:
        """One look at everything; whether something is new.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            When the cloud does not answer, or not as a lab.
        """
        if self.people is None:
            self.people = KnownPeople(self._switch)
        news = self.spans.refresh()
        news = self._read_log() or news
        if self.people.refresh():
            self.history.keep_only(self.people.by_id)
            self._people_changed()
            news = True
        news = self._name() or news
        self._note_shown()
        return self._reached() or news

    def _reached(self) -> bool:
        """Note that the cloud answers; whether that is new."""
        if self.link.is_up:
            return False
        self.link = CloudLink(True, time.time())
        return True

    def _read_log(self) -> bool:
        pages = (
            self._switch.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=self._switch.names.log_group,
                startTime=max(0, self._since_ms()),
                filterPattern=CLIPS_PATTERN,
                PaginationConfig={"PageSize": PAGE},
            )
        )
        news = False
        asked_ms = time.time() * 1000
        for page in pages:
            # What it tells of a whole day takes seconds to read: it does answer meanwhile.
            if self.link.why == FIRST and self._reached():
                self.changed()
            for event in page["events"]:
                self._cursor_ms = max(self._cursor_ms, event["timestamp"])
                message = event["message"].rstrip("\n")
                line = read_clip_line(message, event["timestamp"], event["logStreamName"])
                if line is not None:
                    news = self.history.add(message, line) or news
        self._cursor_ms = max(self._cursor_ms, int(asked_ms - SETTLED_MS))
        return news

    def _since_ms(self) -> int:
        """From when on the log is looked at this time."""
        if time.monotonic() >= self._late_s:
            self._late_s = time.monotonic() + LATE_EVERY_S
            return min(self._cursor_ms, int(time.time() * 1000) - LATE_MS)
        return self._cursor_ms - OVERLAP_MS

    def _name(self) -> bool:
        assert self.people is not None  # noqa: S101  `look` made it
        unnamed = [(clip, clip.row) for clip in self.history.unnamed()[:NAMED_AT_ONCE]]
        if not unnamed:
            return False
        rows = self.people.in_rows(row for _, row in unnamed)
        for clip, row in unnamed:
            self.history.name(clip, [one for one in rows.get(row, ()) if one in self.people.by_id])
        return True

    def _note_shown(self) -> None:
        looked_at = self.history.newest(100 if self._has_looked else MOST_CLIPS)
        self._has_looked = True
        for clip in looked_at:
            if clip.shown_ms is None:
                spans = self.spans.of(clip.device_id, clip.clip_id)
                clip.shown_ms = next((one.end_ms for one in spans if one.name == "print"), None)

    def _lost(self, error: Exception) -> None:
        why = str(error)[:300]
        if self.link.is_up or self.link.why != why:
            since_s = time.time() if self.link.is_up else self.link.since_s
            self.link = CloudLink(False, since_s, why)
            self.changed()
        if self.people is not None:
            self.people.expire()
        if isinstance(error, ClientError):  # it is up: another lab, or one with other keys
            self._refused()
