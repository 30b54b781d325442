"""What the outbox reports, in words: each event's line, and what a run came to."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from device.outbox import Counts
from device.outbox_report import OutboxReport, progress, still_underway


class Console:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[tuple[str, dict]] = []

    def say(self, *lines: str) -> None:
        self.lines += lines

    def event(self, name: str, **fields: object) -> None:
        self.events.append((name, fields))


class Spans:
    def __init__(self) -> None:
        self.added: list[tuple] = []

    def add(self, *span: object) -> None:
        self.added.append(span)


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.mark.parametrize(
    ("event", "fields", "line"),
    [
        ("link", {"state": "open", "after_failures": 2}, "The cloud answers again; sending what"),
        ("link", {"state": "closed", "message": "nobody"}, "Not sending: nobody. Clips wait"),
        ("spool", {"problem": "worn out"}, "Spool: worn out."),
        ("spool", {"problem": None}, "Spool: writing again."),
        ("gate", {"problem": "no decoder"}, "Gate: can't judge, so clips are sent: no decoder."),
        ("gate", {"problem": None}, "Gate: judging again."),
        ("recovered", {"clips": 3}, "3 clips of an earlier run wait"),
        ("retrying", {"clips": 2}, "Trying 2 clips again"),
        ("dropped", {"clip_id": "c1", "reason": "full"}, "Dropped clip c1: full."),
        ("refused", {"clip_id": "c1", "reason": "no"}, "Set aside clip c1: no."),
        ("resent", {"clip_id": "c1"}, "No result for clip c1 yet"),
        ("unanswered", {"clip_id": "c1"}, "No result for clip c1, though"),
    ],
)
def test_each_event_is_an_object_and_a_line(console, event, fields, line):
    OutboxReport(console)(event, fields)
    assert console.events == [(event, fields)]
    assert len(console.lines) == 1
    assert console.lines[0].startswith(line)


@pytest.mark.parametrize(
    ("event", "duration", "name"),
    [("stored", "write_ms", "spool"), ("uploaded", "upload_ms", "upload")],
)
def test_what_took_time_is_a_span_that_ends_now_and_no_line(console, event, duration, name):
    spans = Spans()
    report = OutboxReport(console, spans)
    report._clock = replace(report._clock, wall_ns=lambda: 10_000 * 10**6)
    report(event, {"clip_id": "c1", duration: 250.0})
    assert spans.added == [("c1", name, 9_750.0, 250.0)]
    assert console.lines == []
    assert console.events == [(event, {"clip_id": "c1", duration: 250.0})]


def test_an_event_without_words_is_none(console):
    OutboxReport(console, Spans())("answered", {"clip_id": "c1"})
    assert (console.lines, len(console.events)) == ([], 1)


@pytest.mark.parametrize(
    ("counts", "status", "lines"),
    [
        (Counts(recorded=3, uploaded=3), 0,
         ["Recorded 3 clips, uploaded 3, waiting 0, dropped 0."]),
        (
            Counts(recorded=3, recovered=2, uploaded=4, waiting=1),
            1,
            ["Recorded 3 clips (and took over 2), uploaded 4, waiting 1, dropped 0.",
             "What waits lies in spool and goes out at the next start."],
        ),
        (
            Counts(awaiting_answer=2, refused=1, dropped=1),
            1,
            ["Recorded 0 clips, uploaded 0, waiting 0, dropped 1.",
             "2 uploaded clips have no result shown yet; they are kept.",
             "1 clips could not be sent; they lie in refused/ (or damaged/) there."],
        ),
        (
            Counts(recorded=3, uploaded=1, held_back=2),
            0,
            ["Recorded 3 clips, uploaded 1, waiting 0, dropped 0.",
             "2 clips showed nobody to the gate and were held back."],
        ),
        (Counts(awaiting_answer=1), 0, None),
        (Counts(refused=1), 1, None),
        (Counts(refused=1, waiting=1), 1, None),
        (Counts(dropped=1), 1, None),
    ],
)  # fmt: skip
def test_a_run_that_delivered_all_ends_well(console, counts, status, lines):
    assert OutboxReport(console).summary(counts, Path("spool")) == status
    assert lines is None or console.lines == lines
    assert console.events == [("summary", asdict(counts))]


def test_progress_names_what_was_lost_only_if_something_was():
    assert progress(Counts(recorded=5, uploaded=3, waiting=2)) == (
        "5 recorded, 3 uploaded, 2 waiting"
    )
    assert progress(Counts(held_back=4, dropped=1)).endswith("0 waiting, 4 held back, 1 dropped")
    assert progress(Counts(dropped=1)).endswith("0 waiting, 1 dropped")


@pytest.mark.parametrize(
    ("counts", "shown", "line"),
    [
        (Counts(waiting=2), True, "2 clips wait: 2 for S3"),
        (Counts(waiting=2, awaiting_answer=5), False, "2 clips wait: 2 for S3"),
        (
            Counts(waiting=2, awaiting_answer=5),
            True,
            "7 clips wait: 2 for S3, 5 for messages to show the result",
        ),
    ],
)
def test_results_are_waited_for_where_somebody_shows_them(counts, shown, line):
    assert still_underway(counts, shown) == line
