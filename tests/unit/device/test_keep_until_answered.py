"""An outbox that keeps clips until their results were shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from device.answered import FILE_NAME, Answered, AnsweredReader
from device.clip_record import ClipRecord
from device.outbox import KeepUntilAnswered, Outbox
from tests.fakes.outbox_bench import DEADLINE_S, Bench, BrokenDisk, down


class Looks:
    """Nobody shows results; counts how often that was asked."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def new_ids(self) -> list[str]:
        return []

    def viewer_is_running(self) -> bool:
        with self._changed:
            self._count += 1
            self._changed.notify_all()
        return False

    def wait_for_more(self, times: int) -> bool:
        with self._changed:
            wanted = self._count + times
            return self._changed.wait_for(lambda: self._count >= wanted, DEADLINE_S)


class TestKeepUntilAnswered:
    @pytest.fixture
    def answered(self, bench: Bench) -> Iterator[Answered]:
        answered = Answered(bench.folder, "lab")
        answered.open()
        yield answered
        answered.close()

    def keeping(self, bench: Bench, patience_s: float = 1000, **settings: object) -> Outbox:
        reader = AnsweredReader(bench.folder / "lab" / FILE_NAME)
        return bench.outbox(keep=KeepUntilAnswered(reader, patience_s), **settings)

    def test_a_clip_stays_until_its_result_was_shown(self, bench: Bench, answered: Answered):
        outbox = self.keeping(bench)
        ids = bench.accept(outbox, 4)
        bench.told.wait_for("uploaded", 4)
        bench.told.wait_for("stored", 4)
        bench.wait_for_files(ids)
        assert not outbox.wait_until_empty(0)
        for clip_id in ids:
            answered.add(clip_id)
        assert outbox.wait_until_empty(DEADLINE_S)
        outbox.close()
        bench.wait_for_files([])
        assert outbox.counts().answered == 4

    def test_a_clip_without_a_result_is_sent_again_but_not_for_ever(
        self, bench: Bench, answered: Answered
    ):
        outbox = self.keeping(bench, patience_s=0.01)
        (clip_id,) = bench.accept(outbox, 1)
        bench.told.wait_for("uploaded", 3)
        assert len(bench.told.wait_for("resent", 2)) == 2
        answered.add(clip_id)
        assert outbox.wait_until_empty(DEADLINE_S)
        assert bench.store.taken == [clip_id] * 3

    def test_a_clip_that_was_sent_often_enough_is_told_and_kept(
        self, bench: Bench, answered: Answered
    ):
        outbox = self.keeping(bench, patience_s=0.01)
        (clip_id,) = bench.accept(outbox, 1)
        assert bench.told.wait_for("unanswered") == [{"clip_id": clip_id}]
        assert bench.store.taken == [clip_id] * 3
        outbox.close()
        assert bench.files() == [clip_id]

    def test_without_a_viewer_no_answer_says_nothing(self, bench: Bench):
        looks = Looks()
        outbox = bench.outbox(keep=KeepUntilAnswered(looks, patience_s=0.01))
        (clip_id,) = bench.accept(outbox, 1)
        bench.told.wait_for("uploaded")
        bench.told.wait_for("stored")
        assert looks.wait_for_more(3)
        assert bench.told.of("resent") == []
        bench.wait_for_files([clip_id])

    def test_a_result_that_is_faster_than_the_disk_counts(self, bench: Bench, answered: Answered):
        one_viewer = threading.Lock()

        def answer(record: ClipRecord) -> None:
            with one_viewer:
                answered.add(record.clip_id)

        bench.store.answer = answer
        outbox = self.keeping(bench)
        bench.accept(outbox, 10)
        assert outbox.wait_until_empty(DEADLINE_S)
        bench.wait_for_files([])
        outbox.close()

    def test_after_a_restart_it_goes_on_waiting(self, bench: Bench, answered: Answered):
        first = self.keeping(bench)
        ids = bench.accept(first, 3)
        bench.told.wait_for("uploaded", 3)
        bench.told.wait_for("stored", 3)
        first.close()
        second = self.keeping(bench)
        assert second.counts().awaiting_answer + second.counts().waiting == 3
        for clip_id in ids:
            answered.add(clip_id)
        assert second.wait_until_empty(DEADLINE_S)

    def test_what_an_earlier_run_sent_counts_as_sent_once(self, bench: Bench, answered: Answered):
        first = self.keeping(bench)
        bench.accept(first, 1)
        bench.told.wait_for("uploaded", 1)
        bench.told.wait_for("stored", 1)
        first.close()
        second = self.keeping(bench, patience_s=0.01)
        bench.told.wait_for("unanswered", 1)
        second.close()
        assert len(bench.told.of("resent")) == 2

    def test_a_run_that_does_not_keep_lets_go_of_what_s3_has(
        self, bench: Bench, answered: Answered
    ):
        first = self.keeping(bench)
        bench.accept(first, 3)
        bench.told.wait_for("uploaded", 3)
        bench.told.wait_for("stored", 3)
        first.close()
        second = bench.outbox()
        assert second.wait_until_empty(DEADLINE_S)
        second.close()
        bench.wait_for_files([])

    def test_with_a_full_disk_what_s3_has_is_not_kept_for_ever(
        self, bench: Bench, answered: Answered
    ):
        outbox = self.keeping(bench, spool=BrokenDisk(bench.folder, "lab", 10**9))
        bench.accept(outbox, 3)
        assert outbox.wait_until_empty(DEADLINE_S)
        assert outbox.counts().uploaded == 3

    def test_room_is_made_first_by_what_s3_has_already(self, bench: Bench, answered: Answered):
        outbox = self.keeping(bench, budget=1000)
        bench.accept(outbox, 10)
        bench.told.wait_for("uploaded", 10)
        bench.told.wait_for("stored", 10)
        bench.store.answer = down
        late = bench.accept(outbox, 5, first=50)
        bench.told.wait_for("stored", 15)
        assert set(late) <= set(bench.files())
        assert outbox.counts().dropped == 0
