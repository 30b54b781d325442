"""The function's log, read by the public API: the same on every backend."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cloud.listing import every
from cloud.switch import Switch
from contract.spans import CLIP_LINE
from scripts.errors import LabError
from scripts.traces.clip_line import ClipLine, read_clip_line

DAY_S = 86_400
# A clip's id begins with when it was recorded.
_STAMP = re.compile(r"(\d{8}T\d{6})(\d{3})Z-")
_CLOCKS_DIFFER_S = 900
# As a term: a log is looked through for it without reading each line's JSON.
CLIPS_PATTERN = f'"{CLIP_LINE}"'


class NoSuchClip(LabError):
    """The log has no line on a clip."""


def day_ago_ms() -> int:
    return int((time.time() - DAY_S) * 1000)


class FunctionLog:
    """What the function told of its clips. Safe to use from one thread at a time."""

    def __init__(self, switch: Switch) -> None:
        self._logs = switch.client("logs", retries={"mode": "standard", "total_max_attempts": 1})
        self._group = switch.names.log_group

    def clips(self, since_ms: int) -> list[ClipLine]:
        """Lines on clips that were logged at `since_ms` (Unix) or later, oldest first."""
        found = (
            read_clip_line(event["message"], event["timestamp"], event["logStreamName"])
            for event in self._events(since_ms, filterPattern=CLIPS_PATTERN)
        )
        return [line for line in found if line is not None]

    def find(self, clip: str = "") -> ClipLine:
        """The newest line on the clip of that id, or whose id ends or begins so; on the newest
        clip of the last day without one.

        Raises
        ------
        NoSuchClip
            Also when several clips could be meant.
        """
        lines = self.clips(int(_since_s(clip) * 1000))
        matching = [line for line in lines if _is_meant(clip, line.clip_id)]
        ids = {line.clip_id for line in matching}
        if clip in ids:
            matching = [line for line in matching if line.clip_id == clip]
        elif clip and len(ids) > 1:
            raise NoSuchClip(f"{len(ids)} clips are called like {clip!r}", "give more of the id")
        if not matching:
            raise NoSuchClip(
                f"the function's log says nothing of {clip or 'any clip'}",
                "`make logs` shows the log; FACELAB_TRACES=off would keep spans out of it",
            )
        # A failed try may come before the one that answered, and a repeat after it.
        answered = [line for line in matching if line.status != "failed"]
        return (answered or matching)[-1]

    def lines_of(self, line: ClipLine) -> list[str]:
        """All that the function printed while it answered a clip."""
        events = self._events(
            int(line.ended_ms - line.duration_ms) - 5_000,
            endTime=int(line.ended_ms) + 5_000,
            **({"logStreamNames": [line.stream]} if line.stream else {}),
        )
        texts = [event["message"].rstrip("\n") for event in events]
        mine = _of_invocation(texts, line.request_id)
        return [text for text in mine if CLIP_LINE not in text]

    def _events(self, since_ms: int, **more: Any) -> Iterator[dict[str, Any]]:
        asked = {"logGroupName": self._group, "startTime": max(0, since_ms), **more}
        return every(self._logs, "filter_log_events", "events", **asked)


def _of_invocation(texts: list[str], request_id: str) -> list[str]:
    """From its START to its REPORT: an environment answers one invocation at a time."""
    inside, mine = False, []
    for text in texts:
        if text.startswith("START ") and request_id in text:
            inside = True
        if inside or request_id in text:
            mine.append(text)
        if text.startswith("REPORT ") and request_id in text:
            inside = False
    return mine


def _is_meant(asked: str, clip_id: str) -> bool:
    return clip_id.startswith(asked) or clip_id.endswith(asked)


def _since_s(clip: str) -> float:
    found = _STAMP.match(clip)
    if found is None:
        return time.time() - DAY_S
    moment = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return moment.timestamp() - _CLOCKS_DIFFER_S
