"""S3's events have a sequencer that grows; LocalStack's is always the same."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable
from typing import Any


class Sequencers:
    """Each is larger than all before it, whatever the clock does: 18 hexadecimal digits, of seconds
    and nanoseconds."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._last_ns = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        with self._lock:
            self._last_ns = max(self._last_ns + 1, self._now_ns())
            seconds, nanoseconds = divmod(self._last_ns, 10**9)
        return f"{seconds:010X}{nanoseconds:08X}"


def tell_which_event_came_later() -> None:
    """Give each event a sequencer of its own, the same for all whom it is sent to."""
    from localstack.services.s3 import notifications
    from localstack.services.s3.provider import S3EventNotificationContext as Event

    sequencers = Sequencers()
    make = Event.from_request_context

    def make_event(*arguments: Any, **options: Any) -> Any:
        event = make(*arguments, **options)
        event.sequencer = sequencers.next()
        return event

    Event.from_request_context = make_event
    for notifier, fill in (
        (notifications.BaseNotifier, _fill_record),
        (notifications.EventBridgeNotifier, _fill_entry),
    ):
        notifier._get_event_payload = _filled(notifier._get_event_payload, fill)


def _filled(payload_of: Callable[..., Any], fill: Callable[[Any, str], None]) -> Any:
    @functools.wraps(payload_of)
    def payload(event: Any, *arguments: Any, **options: Any) -> Any:
        made = payload_of(event, *arguments, **options)
        # One that was due when an emulator of before ended has none.
        if sequencer := getattr(event, "sequencer", ""):
            fill(made, sequencer)
        return made

    return staticmethod(payload)


def _fill_record(notification: Any, sequencer: str) -> None:
    for record in notification["Records"]:
        _replace(record["s3"]["object"], sequencer)


def _fill_entry(entry: Any, sequencer: str) -> None:
    detail = json.loads(entry["Detail"])
    _replace(detail["object"], sequencer)
    entry["Detail"] = json.dumps(detail)


def _replace(described: dict[str, Any], sequencer: str) -> None:
    """Only where there is one: events of tags and ACLs have none."""
    if "sequencer" in described:
        described["sequencer"] = sequencer
