"""The outbox's way to the cloud, in one thread: what goes first, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device.backoff import Backoff
from device.disk_writer import DiskWriter
from device.problems import Kind, Problem
from device.sender import FRESH_NS, FRESH_TRIES, REFUSALS_BEFORE_SETTING_ASIDE, Sender
from device.spool import Spool
from device.underway import Entry
from tests.fakes.outbox_bench import Desk, clip

NOW_NS = 10**12


class SenderDesk(Desk):
    """A sender without its threads: `run(n)` sends n times."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Spool(folder, "lab", 10**6))
        self.now_ns = NOW_NS
        self.writer = DiskWriter(self.spool, self.underway, keep=False, memory_bytes=10**6)
        self.tried: list[int] = []
        self.sent: dict[int, bytes] = {}
        self.answer: Callable[[int], None] = lambda number: None
        at_once = Backoff(random=lambda: 0.0)
        self.sender = Sender(
            self.spool, self.underway, self.writer, self.upload, at_once, lambda: self.now_ns
        )

    def upload(self, record, data: bytes) -> None:
        number = record.metadata.sequence
        self.tried.append(number)
        self.now_ns += 25_000_000
        if len(self.tried) >= self.until:
            self.underway.stopping = True
        self.answer(number)
        self.sent[number] = data

    def run(self, times: int) -> list[int]:
        self.underway.stopping = False
        self.until = len(self.tried) + times
        self.sender.run()
        return self.tried[-times:]

    def clip(self, number: int, age_ns: int = 10 * FRESH_NS, **state: object) -> Entry:
        data = bytes([number]) * 10
        entry = Entry(clip(number, data), data, accepted_ns=self.now_ns - age_ns)
        return self.add(entry, **state)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[SenderDesk]:
    desk = SenderDesk(tmp_path)
    yield desk
    desk.spool.close()


def fail(kind: Kind) -> Callable[[int], None]:
    def answer(number: int) -> None:
        raise Problem(kind, f"{kind.value}!")

    return answer


def test_a_stopped_outbox_sends_nothing(desk):
    desk.clip(1)
    desk.underway.stopping = True
    desk.sender.run()
    assert desk.tried == []


def test_fresh_clips_go_before_the_backlog_each_the_oldest_first(desk):
    for number in (1, 2):
        desk.clip(number)
    for number in (3, 4):
        desk.clip(number, age_ns=0)
    assert desk.run(4) == [3, 4, 1, 2]


def test_a_clip_is_fresh_until_its_age_and_not_longer(desk):
    desk.clip(1)
    desk.clip(2, age_ns=FRESH_NS)
    desk.clip(3, age_ns=FRESH_NS - 1)
    assert desk.run(1) == [3]
    assert desk.run(2) == [1, 2]


def test_a_fresh_clip_that_fails_gives_way_after_its_tries(desk):
    desk.answer = fail(Kind.STRANGE)
    desk.clip(1, tries=FRESH_TRIES - 1)
    desk.clip(2, age_ns=0)
    assert desk.run(FRESH_TRIES + 1) == [*[2] * FRESH_TRIES, 1]


def test_of_the_backlog_the_one_least_often_tried_goes_first(desk):
    desk.clip(1, tries=2)
    desk.clip(2, tries=1)
    desk.clip(3, tries=1)
    assert desk.run(3) == [2, 3, 1]


def test_one_that_is_on_its_way_is_not_sent_beside_itself(desk):
    desk.clip(1, age_ns=0, being_sent=True)
    desk.clip(2)
    assert desk.run(1) == [2]


def test_a_sent_clip_is_told_with_its_time_and_let_go_of(desk):
    entry = desk.clip(1)
    desk.store(entry)
    desk.run(1)
    assert desk.told.of("uploaded") == [
        {"clip_id": entry.clip_id, "upload_ms": 25.0, "sequence": 1}
    ]
    assert desk.sent == {1: bytes([1]) * 10}
    assert (desk.underway.totals.uploaded, entry in desk.underway) == (1, False)
    assert (entry.being_sent, entry.sent_ns) == (False, NOW_NS + 25_000_000)
    assert desk.files("") == []


def test_what_is_not_in_memory_any_more_is_read_from_the_disk(desk):
    entry = desk.clip(1)
    desk.store(entry)
    entry.data = None
    desk.run(1)
    assert desk.sent == {1: bytes([1]) * 10}


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_clip_that_the_disk_has_damaged_is_set_aside_and_the_next_one_sent(desk, is_damaged):
    entry, other = desk.clip(1), desk.clip(2)
    desk.store(entry)
    entry.data = None
    path = desk.spool.folder / f"{entry.clip_id}.h264"
    path.write_bytes(b"x" * 10) if is_damaged else path.unlink()
    assert desk.run(1) == [2]
    assert other not in desk.underway
    assert entry not in desk.underway
    assert desk.files("damaged") == ids(entry) * is_damaged
    (told,) = desk.told.of("refused")
    assert told["clip_id"] == entry.clip_id
    assert desk.underway.totals.refused == 1


def ids(*entries: Entry) -> list[str]:
    return [entry.clip_id for entry in entries]


def test_what_s3_refuses_is_tried_so_often_and_then_set_aside(desk):
    entry = desk.clip(1)
    desk.answer = fail(Kind.REFUSED)
    desk.run(REFUSALS_BEFORE_SETTING_ASIDE - 1)
    assert entry in desk.underway
    assert not entry.being_sent
    assert desk.told.events == []
    desk.run(1)
    assert entry not in desk.underway
    assert desk.told.of("refused") == [{"clip_id": entry.clip_id, "reason": "refused!"}]
    assert desk.files("refused") == ids(entry)
    assert (entry.being_sent, desk.underway.totals.refused) == (False, 1)


def test_an_outage_is_told_with_what_waits_and_its_end_with_how_often_it_was_tried(desk):
    entry, other = desk.clip(1), desk.clip(2)
    desk.store(entry)
    desk.answer = fail(Kind.NETWORK)
    assert desk.run(3) == [1, 2, 1]
    assert desk.told.of("link") == [
        {"state": "closed", "problem": "network", "message": "network!", "waiting": 2}
    ]
    assert (entry.tries, other.tries, entry.being_sent) == (2, 1, False)
    assert (entry.data, other.data) == (None, bytes([2]) * 10), "only one is on disk"
    desk.answer = lambda number: None
    desk.run(2)
    assert desk.told.of("link")[1:] == [{"state": "open", "after_failures": 3}]


def test_s3_s_refusal_says_that_the_link_works(desk):
    desk.clip(1)
    desk.answer = fail(Kind.NETWORK)
    desk.run(1)
    desk.answer = fail(Kind.REFUSED)
    desk.run(1)
    assert desk.told.of("link")[1:] == [{"state": "open", "after_failures": 1}]


def test_a_fault_of_ours_says_nothing_of_the_link_and_lets_the_next_one_try_it(desk):
    desk.clip(1)
    desk.answer = fail(Kind.NETWORK)
    desk.run(1)

    def surprise(number: int) -> None:
        raise RuntimeError("surprise")

    desk.answer = surprise
    desk.run(REFUSALS_BEFORE_SETTING_ASIDE)
    (told,) = desk.told.of("refused")
    assert told["reason"].startswith("RuntimeError: surprise at ")
    assert len(desk.told.of("link")) == 1
    desk.clip(2)
    desk.answer = lambda number: None
    assert desk.run(1) == [2]


def test_a_refused_clip_counts_its_tries(desk):
    entry = desk.clip(1)
    desk.answer = fail(Kind.REFUSED)
    for tries in (1, 2):
        desk.run(1)
        assert (entry.tries, entry.refusals) == (tries, tries)


def test_a_damaged_clip_that_should_try_the_link_leaves_that_to_the_next_one(desk):
    damaged, whole = desk.clip(1), desk.clip(2, tries=1)
    desk.store(damaged)
    desk.answer = fail(Kind.NETWORK)
    desk.run(1)
    (desk.spool.folder / f"{damaged.clip_id}.h264").write_bytes(b"x" * 10)
    desk.answer = lambda number: None
    assert desk.run(1) == [2]
    assert whole not in desk.underway
    assert damaged not in desk.underway


def test_a_long_upload_is_told_in_milliseconds(desk):
    def slow(number: int) -> None:
        desk.now_ns += 3600 * 10**9

    desk.clip(1)
    desk.answer = slow
    desk.run(1)
    assert desk.told.of("uploaded")[0]["upload_ms"] == 3_600_025.0
