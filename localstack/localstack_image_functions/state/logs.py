"""CloudWatch Logs through moto: rows of events, their retention applied, their number bounded."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator

from localstack.aws.api import RequestContext
from moto.logs.models import LogEvent, LogGroup, LogStream, logs_backends

from localstack_image_functions.logs.written import WRITTEN
from localstack_image_functions.metrics.store import Owner
from localstack_image_functions.state.codec import Codec, Omissions
from localstack_image_functions.state.database import Database, RowKey, Rows

EVENTS = "log-events"
DAY_MS = 86_400_000.0
OMISSIONS: Omissions = {LogStream: {"events": list}}
MOST_EVENTS = 20_000
"""Newest events that a log group keeps: moto holds them all in memory."""


class LogRows:
    """Keeps what is written to log streams, one row for each request."""

    def __init__(self, database: Database, codec: Codec):
        self._database = database
        self._codec = codec
        self._numbers = itertools.count(time.time_ns())

    def install(self) -> None:
        """Hear of what functions say, which comes without a request."""
        WRITTEN.append(self._written)

    def after(self, context: RequestContext) -> None:
        """Keep the events that a request has written, within a second."""
        request, name = context.service_request or {}, context.operation.name
        if name == "PutLogEvents":
            owner = Owner(context.account_id, context.region)
            group, stream = request["logGroupName"], request["logStreamName"]
            self._written(owner, group, stream, len(request["logEvents"]))
        elif name == "DeleteLogGroup":
            region, account = context.region, context.account_id
            arn = f"arn:aws:logs:{region}:{account}:log-group:{request['logGroupName']}"
            self._database.delete_scope(EVENTS, arn)

    def load(self, rows: Rows) -> None:
        """Put the events back into their streams."""
        groups = {group.arn: group for group in all_groups()}
        last_id = -1
        for arn, key, events in rows:
            group = groups.get(arn)
            stream = group and group.streams.get(json.loads(key)[0])
            if not stream:
                self._database.delete(RowKey(EVENTS, arn, key))
                continue
            stream.events += events
            last_id = max([last_id, *(event.event_id for event in events)])
        # moto counts from 0 in each process; who follows a log tells events apart by this.
        LogEvent._event_id = max(LogEvent._event_id, last_id + 1)

    def expire(self, now_ms: float | None = None, day_ms: float = DAY_MS) -> int:
        """Apply each group's retention, and the bound. How many events went."""
        now_ms = time.time() * 1000 if now_ms is None else now_ms
        gone = 0
        for group in all_groups():
            if (horizon := _horizon_ms(group, now_ms, day_ms)) <= 0:
                continue
            before = sum(len(stream.events) for stream in list(group.streams.values()))
            for name, stream in list(group.streams.items()):
                stream.events[:] = [one for one in stream.events if one.timestamp >= horizon]
                if not stream.events and stream.creation_time < horizon:
                    group.streams.pop(name, None)
            after = sum(len(stream.events) for stream in list(group.streams.values()))
            if before > after:
                gone += before - after
                self._forget_before(group, horizon)
        return gone

    def _written(self, owner: Owner, group_name: str, stream_name: str, count: int) -> None:
        group = logs_backends[owner.account][owner.region].groups.get(group_name)
        stream = group and group.streams.get(stream_name)
        if group and stream and count:
            self._keep(group, stream, stream.events[-count:])

    def _keep(self, group: LogGroup, stream: LogStream, events: list[LogEvent]) -> None:
        key = json.dumps([stream.log_stream_name, next(self._numbers), _newest(events)])
        self._database.put_later(
            RowKey(EVENTS, group.arn, key), lambda: self._codec.encode(list(events))
        )

    def _forget_before(self, group: LogGroup, horizon_ms: float) -> None:
        with self._database.together():
            for key in self._database.keys(EVENTS, group.arn):
                if json.loads(key)[2] < horizon_ms:
                    self._database.delete(RowKey(EVENTS, group.arn, key))


def all_groups() -> Iterator[LogGroup]:
    """Every log group of every account and region."""
    for _, _, backend in list(logs_backends.iter_backends()):
        yield from list(backend.groups.values())


def _newest(events: list[LogEvent]) -> int:
    return max(event.timestamp for event in events) if events else 0


def _horizon_ms(group: LogGroup, now_ms: float, day_ms: float) -> float:
    """The time before which the group keeps nothing."""
    days = group.retention_in_days
    by_age = now_ms - int(days) * day_ms if days else 0.0
    times = [event.timestamp for s in list(group.streams.values()) for event in list(s.events)]
    if len(times) <= MOST_EVENTS:
        return by_age
    return max(by_age, float(sorted(times)[-MOST_EVENTS]))
