"""Clips as they are answered, each once, when all that can be known of it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from scripts.traces.clip_line import FAILED, ClipLine
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.function_log import FunctionLog
from scripts.traces.waterfall import Waterfall, waterfall

# A device on this machine has printed a result by then; of one elsewhere there are no spans.
PRINTED_WITHIN_MS = 3_000
# A log may take lines late, and one environment's after another's.
LATE_MS = 30_000


class Following:
    """`look` gives the clips that were answered since it was made."""

    def __init__(
        self, log: FunctionLog, spans: DeviceSpans, now_s: Callable[[], float] = time.time
    ) -> None:
        self._log = log
        self._spans = spans
        self._now_s = now_s
        self._begun_ms = now_s() * 1000
        self._shown_ms: dict[str, float] = {}

    def look(self) -> Iterator[Waterfall]:
        """What is new, oldest first."""
        self._spans.refresh()
        now_ms = self._now_s() * 1000
        since_ms = max(self._begun_ms, now_ms - LATE_MS)
        lines: dict[str, ClipLine] = {}
        for line in self._log.clips(int(since_ms)):
            before = lines.get(line.clip_id)
            if before is None or before.status == FAILED:  # a try may fail before one that answers
                lines[line.clip_id] = line
        for line in lines.values():
            if line.clip_id not in self._shown_ms and self._is_whole(line, now_ms):
                self._shown_ms[line.clip_id] = now_ms
                yield waterfall(line, self._spans.of(line.device_id, line.clip_id))
        # Kept a little longer than the log is looked back.
        self._shown_ms = {one: at for one, at in self._shown_ms.items() if at > since_ms - LATE_MS}

    def _is_whole(self, line: ClipLine, now_ms: float) -> bool:
        spans = self._spans.of(line.device_id, line.clip_id)
        return any(one.name == "print" for one in spans) or (
            now_ms - line.logged_ms > PRINTED_WITHIN_MS
        )
