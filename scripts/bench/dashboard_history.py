"""A lab that has been at work for a day: thousands of clips, made of a few that it answered."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from cloud.switch import Switch
from contract.spans import CLIP_LINE
from device.spans import span_file
from scripts.console import Progress
from scripts.traces.clip_line import row_of
from scripts.traces.device_spans import PROGRAMS
from scripts.traces.function_log import CLIPS_PATTERN

STREAM = "a-day-at-work"
DAY_MS = 80_000_000  # the dashboard looks back a little more than that
LINES_AT_ONCE = 400  # PutLogEvents takes a mebibyte
ROWS_AT_ONCE = 25
THREADS = 4
ASIDE = "history/"  # objects below it are no clips: nothing is invoked for them
T = TypeVar("T")


@dataclass(frozen=True)
class Copy:
    """A clip like another one, `later_ms` after it."""

    model: dict[str, Any]
    clip_id: str
    later_ms: int

    def line(self) -> dict[str, Any]:
        """The function's line on it."""
        line = self.model | {
            "clip_id": self.clip_id,
            "key": self.model["key"].replace(self.model["clip_id"], self.clip_id),
            "spans": [self.span(one) for one in self.model["spans"]],
            "_aws": self.model["_aws"]
            | {"Timestamp": self.model["_aws"]["Timestamp"] + self.later_ms},
        }
        for name in ("capture_start_ms", "capture_end_ms", "event_ms"):
            if line.get(name) is not None:
                line[name] += self.later_ms
        return line

    def span(self, span: dict[str, Any]) -> dict[str, Any]:
        return span | {"start_ms": span["start_ms"] + self.later_ms}

    def row(self, of: dict[str, Any]) -> str:
        """Its row in the ledger, as `of` (a clip) has one."""
        return row_of(of["device_id"], self.clip_id, of["result_id"])


def write_history(switch: Switch, traces: Path, count: int, progress: Progress) -> None:
    """What `count` clips of the last day leave: lines in the log, rows of the ledger, spans of
    their device, and objects in the bucket."""
    copies = list(_copies(_answered(switch), count))
    _write_log(switch, copies)
    _write_spans(traces, copies)
    bucket, s3 = switch.bucket, switch.client("s3")
    rows, dynamodb = _rows(switch, copies), switch.client("dynamodb")

    def store(some: Sequence[Copy]) -> int:
        requests = [{"PutRequest": {"Item": rows[one.clip_id]}} for one in some]
        dynamodb.batch_write_item(RequestItems={switch.names.ledger_table: requests})
        for one in some:
            s3.put_object(Bucket=bucket, Key=f"{ASIDE}{one.clip_id}.h264", Body=b"")
        return len(some)

    with progress.bar("clips of the last day", count) as step, ThreadPoolExecutor(THREADS) as pool:
        for done in pool.map(store, _batches(copies, ROWS_AT_ONCE)):
            step(done)


def _answered(switch: Switch) -> list[dict[str, Any]]:
    """What the lab's function has told of clips."""
    pages = (
        switch.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=switch.names.log_group, filterPattern=CLIPS_PATTERN)
    )
    lines = (json.loads(one["message"]) for page in pages for one in page["events"])
    return [line for line in lines if line.get("schema") == CLIP_LINE]


def _copies(models: Sequence[dict[str, Any]], count: int) -> Iterator[Copy]:
    """Oldest first, over the day that ends now."""
    begin_ms = time.time_ns() // 1_000_000 - DAY_MS
    for number in range(count):
        model = models[number % len(models)]
        later_ms = begin_ms + number * DAY_MS // count - model["_aws"]["Timestamp"]
        yield Copy(model, f"{model['clip_id'][:-6]}{number:06x}", later_ms)


def _write_log(switch: Switch, copies: Sequence[Copy]) -> None:
    logs, place = switch.client("logs"), {"logGroupName": switch.names.log_group}
    logs.create_log_stream(**place, logStreamName=STREAM)
    for some in _batches(copies, LINES_AT_ONCE):
        lines = [one.line() for one in some]
        events = [
            {
                "timestamp": line["_aws"]["Timestamp"],
                "message": json.dumps(line, separators=(",", ":")),
            }
            for line in lines
        ]
        logs.put_log_events(**place, logStreamName=STREAM, logEvents=events)


def _write_spans(traces: Path, copies: Sequence[Copy]) -> None:
    device_id = copies[0].model["device_id"]
    for program in PROGRAMS:
        path = span_file(traces, device_id, program)
        spans: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for text in path.read_text("ascii").splitlines():
            span = json.loads(text)
            spans[span["clip_id"]].append(span)
        with path.open("w", encoding="ascii") as file:
            for one in copies:
                for span in spans[one.model["clip_id"]]:
                    moved = one.span(span) | {"clip_id": one.clip_id}
                    file.write(json.dumps(moved, separators=(",", ":")) + "\n")


def _rows(switch: Switch, copies: Sequence[Copy]) -> dict[str, dict[str, Any]]:
    """Rows of the ledger by clip id."""
    dynamodb, table = switch.client("dynamodb"), switch.names.ledger_table
    known = {
        model["clip_id"]: dynamodb.get_item(
            TableName=table,
            Key={"clip": {"S": row_of(model["device_id"], model["clip_id"], model["result_id"])}},
        )["Item"]
        for model in {one.model["clip_id"]: one.model for one in copies}.values()
    }
    return {
        one.clip_id: known[one.model["clip_id"]] | {"clip": {"S": one.row(one.model)}}
        for one in copies
    }


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
