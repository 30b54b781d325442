"""Clips that wait for their result, look by look: let go of, sent again, or told and kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device import answer_watch
from device.answer_watch import AnswerWatch, KeepUntilAnswered
from device.disk_writer import DiskWriter
from device.spool import RETRY_NAME, Spool, SpoolUnusable
from device.underway import Entry
from tests.fakes.outbox_bench import Desk, clip

S = 10**9


class Viewer:
    """Who shows results."""

    def __init__(self) -> None:
        self.is_there = True
        self.new: list[str] = []
        self.problem: OSError | None = None

    def new_ids(self) -> list[str]:
        if self.problem:
            raise self.problem
        new, self.new = self.new, []
        return new

    def viewer_is_running(self) -> bool:
        return self.is_there


class WatchDesk(Desk):
    def __init__(self, folder: Path) -> None:
        super().__init__(Spool(folder, "lab", 10**6))
        self.now_ns = 1000 * S
        self.viewer = Viewer()
        self.writer = DiskWriter(self.spool, self.underway, keep=True, memory_bytes=10**6)
        self.watch = self.watching(KeepUntilAnswered(self.viewer, patience_s=10.0, sends=2))

    def watching(self, keep: KeepUntilAnswered | None) -> AnswerWatch:
        return AnswerWatch(self.spool, self.underway, self.writer, keep, lambda: self.now_ns)

    def sent(self, number: int, **state: object) -> Entry:
        """A clip that S3 has, in sent/."""
        record = clip(number, b"data")
        self.spool.write(record, b"data")
        self.spool.park(record)
        entry = Entry(record, None, on_disk=True, confirmed=True, sends=1, sent_ns=self.now_ns)
        for name, value in state.items():
            setattr(entry, name, value)
        return self.add(entry)

    def after(self, seconds: float) -> None:
        self.now_ns += round(seconds * S)
        self.watch.sweep()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WatchDesk]:
    desk = WatchDesk(tmp_path)
    yield desk
    desk.spool.close()


def test_an_answered_clip_is_let_go_of_and_counted(desk):
    answered, waiting = desk.sent(1), desk.sent(2)
    desk.viewer.new = [answered.clip_id]
    desk.after(0)
    assert desk.told.of("answered") == [{"clip_id": answered.clip_id}]
    assert desk.underway.totals.answered == 1
    assert desk.files("sent") == [waiting.clip_id]
    assert [*desk.underway.entries] == [waiting.clip_id]


@pytest.mark.parametrize("state", [{"being_sent": True}, {"disk_busy": True}, {"on_disk": False}])
def test_one_that_somebody_is_at_is_let_go_of_at_a_later_look(desk, state):
    entry, other = desk.sent(1, **state), desk.sent(2)
    desk.viewer.new = [entry.clip_id, other.clip_id]
    desk.after(0)
    assert entry in desk.underway
    assert other not in desk.underway
    entry.being_sent = entry.disk_busy = False
    entry.on_disk = True
    desk.after(0)
    assert entry not in desk.underway


def test_an_answer_may_come_before_the_word_that_s3_has_it(desk):
    entry = desk.sent(1, confirmed=False)
    desk.viewer.new = [entry.clip_id]
    desk.after(0)
    assert entry not in desk.underway


def test_patience_ends_after_its_seconds_and_not_before(desk):
    entry = desk.sent(1)
    desk.after(0)
    desk.after(10)
    assert desk.told.of("resent") == []
    desk.after(0.001)
    assert desk.told.of("resent") == [{"clip_id": entry.clip_id}]
    assert (desk.underway.totals.resent, entry.confirmed, entry.disk_busy) == (1, False, False)
    assert desk.files("") == [entry.clip_id], "back among those that wait for S3"
    assert [*desk.underway.unsent] == [entry.clip_id]


def test_one_whose_files_are_moved_back_is_nobody_else_s_meanwhile(desk, monkeypatch):
    entry = desk.sent(1)
    seen: list[bool] = []
    monkeypatch.setattr(desk.spool, "recall", lambda record: seen.append(entry.disk_busy))
    desk.after(0)
    desk.after(10.001)
    assert seen == [True]


def test_patience_begins_with_the_viewer_and_anew_with_the_next_one(desk):
    desk.sent(1)
    desk.viewer.is_there = False
    desk.after(100)
    desk.viewer.is_there = True
    desk.after(100)
    desk.after(9)
    assert desk.told.of("resent") == []
    desk.viewer.is_there = False
    desk.after(1)
    desk.viewer.is_there = True
    desk.after(1)
    desk.after(10)
    assert desk.told.of("resent") == []
    desk.after(0.1)
    assert len(desk.told.of("resent")) == 1


def test_patience_begins_anew_with_each_send(desk):
    desk.after(0)
    desk.now_ns += 100 * S
    desk.sent(1)
    desk.after(10)
    assert desk.told.of("resent") == []


def test_one_that_was_sent_often_enough_is_told_once_and_kept(desk):
    entry = desk.sent(1, sends=2)
    desk.after(0)
    desk.after(11)
    desk.after(11)
    assert desk.told.of("unanswered") == [{"clip_id": entry.clip_id}]
    assert desk.told.of("resent") == []
    assert desk.underway.totals.resent == 0
    assert desk.files("sent") == [entry.clip_id]
    assert (entry.given_up, entry.disk_busy) == (True, False)
    desk.viewer.new = [entry.clip_id]
    desk.after(0)
    assert entry not in desk.underway, "an answer counts all the same"


def test_one_that_s3_has_not_is_not_overdue(desk):
    desk.sent(1, confirmed=False)
    desk.after(0)
    desk.after(100)
    assert desk.told.events == []


def test_a_disk_that_can_not_be_read_now_is_looked_at_again(desk):
    entry = desk.sent(1)
    desk.viewer.problem = OSError(5, "Input/output error")
    desk.after(0)
    desk.viewer.problem, desk.viewer.new = None, [entry.clip_id]
    desk.after(0)
    assert desk.underway.totals.answered == 1


def test_answers_of_clips_that_are_gone_are_not_remembered_for_ever(desk, monkeypatch):
    monkeypatch.setattr(answer_watch, "KEEP", 2)
    busy = desk.sent(1, being_sent=True)
    desk.viewer.new = [busy.clip_id, "a", "b", "c"]
    desk.after(0)
    assert desk.watch._answered == {busy.clip_id, "a", "b", "c"}, "up to twice as many"
    desk.viewer.new = ["d"]
    desk.after(0)
    assert desk.watch._answered == {busy.clip_id}
    busy.being_sent = False
    desk.after(0)
    assert desk.underway.totals.answered == 1


def refused(desk: WatchDesk, number: int) -> str:
    record = clip(number, b"data")
    desk.spool.write(record, b"data")
    desk.spool.set_aside(record)
    return record.clip_id


@pytest.mark.parametrize("keeps", [True, False])
def test_who_asks_for_what_was_refused_gets_it_tried_again_once(desk, keeps):
    clip_id = refused(desk, 1)
    watch = desk.watch if keeps else desk.watching(None)
    watch.sweep()
    assert desk.told.events == []
    (desk.spool.folder / RETRY_NAME).touch()
    watch.sweep()
    watch.sweep()
    assert desk.told.of("retrying") == [{"clips": 1}]
    assert [*desk.underway.unsent] == [clip_id]
    assert not desk.underway.unwritten, "it is on the disk already"


def test_who_asks_without_anything_refused_is_answered_by_nothing(desk):
    (desk.spool.folder / RETRY_NAME).touch()
    desk.after(0)
    assert desk.told.events == []
    assert not desk.spool.retry_asked()


def test_a_card_that_gives_nothing_back_costs_no_answer(desk, monkeypatch):
    def worn() -> None:
        raise SpoolUnusable("worn out")

    entry = desk.sent(1)
    monkeypatch.setattr(desk.spool, "take_refused", worn)
    (desk.spool.folder / RETRY_NAME).touch()
    desk.viewer.new = [entry.clip_id]
    desk.after(0)
    assert desk.underway.totals.answered == 1
