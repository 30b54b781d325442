"""The outbox's disk, step by step in one thread: what is stored, makes room, is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from device.disk_writer import DiskWriter
from device.spool import Spool, SpoolFull, SpoolUnusable
from device.underway import Entry
from tests.conftest import wait_until
from tests.fakes.outbox_bench import Desk, clip

SIZE = 100


class Disk(Spool):
    """Fails as `problem` says."""

    problem: Exception | None = None

    def write(self, record, data) -> None:
        if self.problem:
            raise self.problem
        super().write(record, data)


class WriterDesk(Desk):
    """A writer without its thread."""

    def __init__(self, folder: Path, budget: int) -> None:
        super().__init__(Disk(folder, "lab", budget))
        self.folder = self.spool.folder

    def writer(self, *, keep: bool = False, memory_bytes: int = 10**6) -> DiskWriter:
        return DiskWriter(self.spool, self.underway, keep=keep, memory_bytes=memory_bytes)

    def clip(self, number: int, **state: object) -> Entry:
        data = number.to_bytes(4) * (SIZE // 4)
        return self.add(Entry(clip(number, data), data), **state)

    def stored(self, *entries: Entry) -> None:
        """Written before, and gone from memory."""
        for entry in entries:
            self.store(entry)
            entry.data = None

    def reasons(self) -> list[tuple[str, str]]:
        return [(one["clip_id"], one["reason"]) for one in self.told.of("dropped")]

    def troubles(self) -> list[str | None]:
        return [one["problem"] for one in self.told.of("spool")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WriterDesk]:
    desk = WriterDesk(tmp_path, budget=10 * SIZE)
    yield desk
    desk.spool.close()


def ids(*entries: Entry) -> list[str]:
    return [entry.clip_id for entry in entries]


class TestWriting:
    def test_nothing_to_write_is_no_trouble(self, desk):
        assert desk.writer().write_next()
        assert desk.told.events == []

    def test_the_oldest_is_stored_first_and_leaves_memory(self, desk):
        old, new = desk.clip(1), desk.clip(2)
        assert desk.writer().write_next()
        assert desk.files() == ids(old)
        assert (old.on_disk, old.data, old.disk_busy) == (True, None, False)
        assert [*desk.underway.unwritten] == ids(new)
        (told,) = desk.told.of("stored")
        assert told["clip_id"] == old.clip_id
        assert 0 <= told["write_ms"] < 60_000

    def test_one_on_its_way_stays_in_memory_too(self, desk):
        entry = desk.clip(1, being_sent=True)
        desk.writer().write_next()
        assert entry.data is not None

    def test_one_whose_files_somebody_is_at_is_passed_over(self, desk):
        desk.clip(1, disk_busy=True)
        other = desk.clip(2)
        desk.writer().write_next()
        assert desk.files() == ids(other)

    def test_a_disk_that_takes_nothing_is_told_once_and_so_is_its_end(self, desk):
        entry, writer = desk.clip(1), desk.writer()
        desk.spool.problem = SpoolUnusable("worn out")
        assert not writer.write_next()
        assert not writer.write_next()
        assert (entry.on_disk, entry.disk_busy) == (False, False)
        assert entry.data is not None
        assert [*desk.underway.unwritten] == ids(entry)
        assert desk.told.of("stored") == []
        desk.spool.problem = None
        assert writer.write_next()
        assert desk.troubles() == ["worn out", None]

    def test_at_the_end_of_the_program_there_is_no_later(self, desk):
        entry = desk.clip(1)
        desk.spool.problem = SpoolUnusable("worn out")
        desk.underway.stopping = True
        assert not desk.writer().write_next()
        assert desk.underway.totals.dropped == 1
        assert desk.reasons() == [(entry.clip_id, "the disk takes nothing, and the program ends")]

    @pytest.mark.parametrize("stopping", [False, True])
    def test_what_s3_has_is_not_lost_by_a_disk_that_takes_nothing(self, desk, stopping):
        entry = desk.clip(1, confirmed=True)
        desk.spool.problem = SpoolUnusable("worn out")
        desk.underway.stopping = stopping
        assert not desk.writer(keep=True).write_next()
        assert entry not in desk.underway
        assert (desk.underway.totals.dropped, desk.reasons()) == (0, [])

    def test_a_fault_of_ours_leaves_the_clip_to_be_tried_once_more(self, desk):
        entry = desk.clip(1)
        desk.spool.problem = RuntimeError("surprise")
        with pytest.raises(RuntimeError):
            desk.writer().write_next()
        assert not entry.disk_busy
        desk.spool.problem = None
        assert desk.writer().write_next()

    def test_what_was_confirmed_meanwhile_is_kept_aside_or_removed(self, desk):
        kept, gone = desk.clip(1, confirmed=True), desk.clip(2, confirmed=True)
        desk.writer(keep=True).write_next()
        assert desk.files("sent") == ids(kept)
        assert kept in desk.underway
        assert not kept.disk_busy
        desk.writer(keep=False).write_next()
        assert (desk.files(), gone in desk.underway) == ([], False)

    def test_run_writes_all_and_ends_when_the_outbox_stops(self, desk):
        entries = [desk.clip(number) for number in range(3)]
        desk.underway.stopping = True
        desk.writer().run()
        assert desk.files() == ids(*entries)

    def test_a_disk_that_takes_nothing_is_left_alone_for_a_while(self, desk, monkeypatch):
        monkeypatch.setattr("device.disk_writer.RETRY_S", 60)
        tries: list[int] = []

        def worn(record, data) -> None:
            tries.append(1)
            raise SpoolUnusable("worn out")

        monkeypatch.setattr(desk.spool, "write", worn)
        desk.clip(1)
        thread = Thread(target=desk.writer().run, daemon=True)
        thread.start()
        wait_until(lambda: tries, 10, "the first try")
        with desk.underway.changed:
            desk.underway.stopping = True
            desk.underway.changed.notify_all()
        thread.join(10)
        assert len(tries) == 2, "one more at the end"


class TestConfirmed:
    @pytest.mark.parametrize(
        ("keep", "on_disk", "disk_busy", "mine"),
        [
            (False, False, False, True),
            (False, True, False, True),
            (False, True, True, False),
            (False, False, True, False),
            (True, True, False, True),
            (True, False, False, False),
            (True, True, True, False),
        ],
    )
    def test_who_lets_go_of_a_confirmed_clip(self, desk, keep, on_disk, disk_busy, mine):
        entry = desk.clip(1, on_disk=on_disk, disk_busy=disk_busy, confirmed=True)
        with desk.underway.changed:
            assert desk.writer(keep=keep).claim_confirmed(entry) == mine
        assert (entry.data is None) == mine
        assert entry.disk_busy == (on_disk if mine else disk_busy)
        assert (entry in desk.underway) == (keep or not mine)

    def test_it_is_removed_from_the_disk_or_kept_aside(self, desk):
        entry = desk.clip(1)
        desk.stored(entry)
        entry.disk_busy = True
        desk.writer(keep=True).let_go(entry)
        assert (desk.files(), desk.files("sent"), entry.disk_busy) == ([], ids(entry), False)
        desk.writer(keep=False).let_go(entry)
        assert desk.files("sent") == []

    def test_a_card_that_lets_nothing_be_removed_is_told(self, desk, monkeypatch):
        def worn(*_: object) -> None:
            raise SpoolUnusable("read-only")

        entry = desk.clip(1)
        desk.stored(entry)
        monkeypatch.setattr(desk.spool, "remove", worn)
        desk.writer().let_go(entry)
        assert desk.troubles() == ["read-only"]


class TestSetAside:
    @pytest.mark.parametrize(("damaged", "folder"), [(False, "refused"), (True, "damaged")])
    @pytest.mark.parametrize("on_disk", [False, True])
    def test_a_clip_goes_where_its_like_is(self, desk, damaged, folder, on_disk):
        entry = desk.clip(1)
        if on_disk:
            desk.stored(entry)
        desk.writer().set_aside(entry, damaged=damaged)
        assert desk.files(folder) == ids(entry)
        assert desk.files() == []

    def test_one_that_is_nowhere_else_is_lost_where_the_disk_takes_nothing(self, desk):
        entry = desk.clip(1)
        desk.spool.problem = SpoolUnusable("worn out")
        desk.writer().set_aside(entry, damaged=False)
        assert desk.reasons() == [(entry.clip_id, "it was refused, and the disk takes nothing")]


class TestMemory:
    def test_as_much_as_it_may_hold_is_held_and_then_the_oldest_goes(self, desk):
        entries = [desk.clip(number) for number in range(5)]
        desk.writer(memory_bytes=5 * SIZE).fit_memory()
        assert desk.reasons() == []
        desk.writer(memory_bytes=5 * SIZE - 1).fit_memory()
        assert len(desk.reasons()) == 1
        desk.writer(memory_bytes=3 * SIZE + 1).fit_memory()
        why = "memory is full and the disk too slow"
        assert desk.reasons() == [(one, why) for one in ids(*entries[:2])]
        assert desk.underway.totals.dropped == 2
        assert [*desk.underway.unwritten] == ids(*entries[2:])

    def test_one_on_its_way_or_being_written_is_spared(self, desk):
        sent, written = desk.clip(0, being_sent=True), desk.clip(1, disk_busy=True)
        third, last = desk.clip(2), desk.clip(3)
        desk.writer(memory_bytes=0).fit_memory()
        assert [one for one, _ in desk.reasons()] == ids(third)
        assert [*desk.underway.unwritten] == ids(sent, written, last)

    def test_the_newest_is_never_dropped_for_memory(self, desk):
        desk.clip(1)
        desk.writer(memory_bytes=0).fit_memory()
        assert desk.reasons() == []

    def test_what_is_on_disk_takes_none(self, desk):
        stored, held = desk.clip(0), desk.clip(1)
        desk.stored(stored)
        desk.writer(memory_bytes=SIZE).fit_memory()
        assert desk.reasons() == []
        assert held in desk.underway


class TestRoom:
    def full(self, desk: WriterDesk, *states: dict) -> list[Entry]:
        """A spool with room for no more clips than those of `states`."""
        desk.spool._budget = SIZE * len(states)
        entries = [desk.clip(number) for number in range(len(states))]
        desk.stored(*entries)
        for entry, state in zip(entries, states, strict=True):
            for name, value in state.items():
                setattr(entry, name, value)
        return entries

    def test_first_goes_what_s3_has_even_if_it_is_newer(self, desk):
        waiting, confirmed = self.full(desk, {}, {"confirmed": True})
        new = desk.clip(9)
        assert desk.writer(keep=True).write_next()
        assert desk.files() == ids(waiting, new)
        assert confirmed not in desk.underway
        assert (desk.reasons(), desk.underway.totals.dropped) == ([], 0)

    def test_then_what_was_set_aside(self, desk):
        refused, waiting = self.full(desk, {}, {})
        desk.spool.set_aside(refused.record)
        with desk.underway.changed:
            desk.underway.forget(refused)
        new = desk.clip(9)
        assert desk.writer().write_next()
        assert desk.files() == ids(waiting, new)
        assert desk.files("refused") == []
        assert desk.reasons() == [(refused.clip_id, "the spool is full")]
        assert desk.underway.totals.dropped == 0, "it had been counted as refused"

    def test_then_the_oldest_that_waits_and_it_is_counted(self, desk):
        old, newer = self.full(desk, {}, {})
        new = desk.clip(9)
        assert desk.writer().write_next()
        assert desk.files() == ids(newer, new)
        assert desk.reasons() == [(old.clip_id, "the spool is full")]
        assert desk.underway.totals.dropped == 1
        assert desk.troubles() == []

    @pytest.mark.parametrize("state", ["being_sent", "disk_busy"])
    def test_never_one_that_somebody_is_at(self, desk, state):
        busy, free = self.full(desk, {state: True}, {})
        new = desk.clip(9)
        assert desk.writer().write_next()
        assert desk.files() == ids(busy, new)
        assert [one for one, _ in desk.reasons()] == ids(free)

    def test_without_anything_to_drop_the_disk_is_full(self, desk):
        (busy,) = self.full(desk, {"being_sent": True})
        desk.clip(9)
        assert not desk.writer().write_next()
        assert desk.files() == ids(busy)
        (problem,) = desk.troubles()
        assert "no room" in str(problem)

    def test_one_that_is_taken_to_be_sent_just_now_is_spared_and_the_next_one_goes(
        self, desk, monkeypatch
    ):
        old, newer = self.full(desk, {}, {})
        looks: list[int] = []

        def look() -> None:
            looks.append(1)
            old.being_sent = True  # by another thread, between two looks

        monkeypatch.setattr(desk.spool, "drop_oldest_aside", look)
        new = desk.clip(9)
        assert desk.writer().write_next()
        assert desk.files() == ids(old, new)
        assert [one for one, _ in desk.reasons()] == ids(newer)
        assert len(looks) == 2

    def test_a_card_that_lets_nothing_go_is_told_not_tried_for_ever(self, desk, monkeypatch):
        def worn(*_: object) -> None:
            raise SpoolUnusable("read-only")

        dropped, spared = self.full(desk, {}, {})
        desk.clip(9)
        monkeypatch.setattr(desk.spool, "remove", worn)
        desk.spool.problem = SpoolFull("no room")
        assert not desk.writer().write_next()
        assert desk.troubles() == ["read-only", "no room"]
        assert [one for one, _ in desk.reasons()] == ids(dropped)
        assert spared in desk.underway
