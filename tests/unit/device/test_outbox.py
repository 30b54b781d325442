from __future__ import annotations

import threading
from collections import Counter

import pytest

from device.clip_record import ClipRecord
from device.problems import Kind, Problem
from device.sender import REFUSALS_BEFORE_SETTING_ASIDE
from device.spool import RETRY_NAME, Spool, SpoolUnusable
from tests.conftest import wait_until
from tests.fakes.outbox_bench import DEADLINE_S, Bench, BrokenDisk, down


def test_clips_arrive_whole_and_leave_the_spool(bench: Bench):
    outbox = bench.outbox()
    ids = bench.accept(outbox, 20)
    assert outbox.wait_until_empty(DEADLINE_S)
    outbox.close()
    assert sorted(bench.store.taken) == ids
    assert bench.store.data[ids[7]] == (7).to_bytes(4) * 25
    bench.wait_for_files([])
    counts = outbox.counts()
    assert (counts.recorded, counts.uploaded, counts.waiting, counts.dropped) == (20, 20, 0, 0)


def test_a_slow_upload_does_not_hold_up_the_recorder(bench: Bench):
    gate = threading.Event()
    bench.store.answer = lambda record: gate.wait(DEADLINE_S)
    outbox = bench.outbox(workers=1)
    bench.accept(outbox, 50)
    assert bench.store.taken == []
    gate.set()
    assert outbox.wait_until_empty(DEADLINE_S)


def test_while_the_network_is_down_everything_lies_in_the_spool(bench: Bench):
    bench.store.answer = down
    outbox = bench.outbox()
    ids = bench.accept(outbox, 10)
    bench.told.wait_for("stored", 10)
    bench.wait_for_files(ids)
    assert not outbox.wait_until_empty(0)
    bench.store.answer = lambda record: None
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == ids


def test_an_outage_is_told_once_and_its_end_once(bench: Bench):
    bench.store.answer = down
    outbox = bench.outbox()
    bench.accept(outbox, 10)
    bench.told.wait_for("stored", 10)
    bench.store.answer = lambda record: None
    assert outbox.wait_until_empty(DEADLINE_S)
    states = [fields["state"] for fields in bench.told.of("link")]
    assert states == ["closed", "open"]
    assert bench.told.of("link")[0]["problem"] == "network"


def test_while_the_link_is_closed_only_one_worker_tries(bench: Bench):
    lock = threading.Lock()
    trying = most = 0

    def answer(record: ClipRecord) -> None:
        nonlocal trying, most
        with lock:
            trying += 1
            # The first tries of all workers may be under way when the link closes.
            if 20 < bench.store.tries < 50:
                most = max(most, trying)
        threading.Event().wait(0.005)
        with lock:
            trying -= 1
        if bench.store.tries < 60:
            down(record)

    bench.store.answer = answer
    outbox = bench.outbox(workers=4)
    bench.accept(outbox, 20)
    assert outbox.wait_until_empty(DEADLINE_S)
    assert most == 1


def test_a_restart_sends_what_an_earlier_run_left(bench: Bench):
    bench.store.answer = down
    first = bench.outbox()
    ids = bench.accept(first, 5)
    first.close()
    bench.store.answer = lambda record: None
    second = bench.outbox()
    assert bench.told.of("recovered") == [{"clips": 5}]
    assert second.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == ids
    assert second.counts().recovered == 5


def test_closing_stores_what_was_only_in_memory(bench: Bench):
    bench.store.answer = down
    outbox = bench.outbox()
    ids = bench.accept(outbox, 30)
    outbox.close()
    assert bench.files() == ids


def test_a_fresh_clip_does_not_wait_behind_the_backlog(bench: Bench):
    bench.store.answer = down
    first = bench.outbox()
    old = bench.accept(first, 50)
    first.close()
    gate, started = threading.Event(), threading.Event()

    def answer(record: ClipRecord) -> None:
        started.set()
        gate.wait(DEADLINE_S)

    bench.store.answer = answer
    second = bench.outbox(workers=1)
    started.wait(DEADLINE_S)
    (fresh,) = bench.accept(second, 1, first=99)
    gate.set()
    assert second.wait_until_empty(DEADLINE_S)
    assert bench.store.taken[:2] == [old[0], fresh]
    assert bench.store.taken[2:] == old[1:]


def test_over_budget_the_oldest_clips_are_dropped_and_counted(bench: Bench):
    bench.store.answer = down
    outbox = bench.outbox(budget=1000, workers=1)
    ids = bench.accept(outbox, 15)
    bench.told.wait_for("stored", 15)
    dropped = [fields["clip_id"] for fields in bench.told.of("dropped")]
    assert outbox.counts().dropped == len(dropped) == 5
    # One may be spared because it is just being tried; then the next one goes.
    assert set(dropped) < set(ids[:6])
    kept = [clip_id for clip_id in ids if clip_id not in dropped]
    bench.wait_for_files(kept)
    bench.store.answer = lambda record: None
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == kept


def test_a_clip_on_its_way_is_not_dropped_for_room(bench: Bench):
    gate, started = threading.Event(), threading.Event()

    def answer(record: ClipRecord) -> None:
        started.set()
        gate.wait(DEADLINE_S)

    bench.store.answer = answer
    outbox = bench.outbox(budget=1000, workers=1)
    (sent,) = bench.accept(outbox, 1)
    assert started.wait(DEADLINE_S)
    bench.accept(outbox, 14, first=1)
    dropped = bench.told.wait_for("dropped", 5)
    gate.set()
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sent not in {fields["clip_id"] for fields in dropped}
    assert bench.store.taken[0] == sent


def test_with_a_full_disk_clips_still_go_out_from_memory(bench: Bench):
    outbox = bench.outbox(spool=BrokenDisk(bench.folder, "lab", 10**9))
    ids = bench.accept(outbox, 5)
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == ids
    assert outbox.counts().dropped == 0


def test_with_a_full_disk_and_no_network_memory_stays_bounded(bench: Bench):
    bench.store.answer = down
    disk = BrokenDisk(bench.folder, "lab", 10**9)
    outbox = bench.outbox(spool=disk, memory_bytes=1000)
    ids = bench.accept(outbox, 30)
    bench.told.wait_for("spool")
    counts = outbox.counts()
    assert counts.waiting + counts.dropped == 30
    assert counts.waiting <= 12
    disk.works = True
    bench.store.answer = lambda record: None
    assert outbox.wait_until_empty(DEADLINE_S)
    assert ids[-1] in bench.store.taken
    assert outbox.counts().uploaded == counts.waiting


class ReadOnlyDisk(Spool):
    """What a worn-out SD card becomes: it gives what it has and takes no change."""

    worn = False

    def remove(self, clip_ids) -> None:
        if self.worn:
            raise SpoolUnusable("can't remove clips in the spool: Read-only file system")
        super().remove(clip_ids)

    def write(self, record: ClipRecord, data: bytes) -> None:
        if self.worn:
            raise SpoolUnusable("can't write: Read-only file system")
        super().write(record, data)


def test_on_a_disk_that_turned_read_only_clips_still_go_out(bench: Bench):
    bench.store.answer = down
    disk = ReadOnlyDisk(bench.folder, "lab", 10**9)
    outbox = bench.outbox(spool=disk)
    ids = bench.accept(outbox, 8)
    bench.told.wait_for("stored", 8)
    disk.worn = True
    bench.store.answer = lambda record: None
    ids += bench.accept(outbox, 8, first=50)
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == sorted(ids)
    assert "Read-only" in bench.told.wait_for("spool")[0]["problem"]


def test_a_clip_that_s3_refuses_is_set_aside_and_the_others_go_on(bench: Bench):
    def answer(record: ClipRecord) -> None:
        if record.metadata.sequence == 3:
            raise Problem(Kind.REFUSED, "EntityTooLarge")

    bench.store.answer = answer
    outbox = bench.outbox()
    ids = bench.accept(outbox, 6)
    assert outbox.wait_until_empty(DEADLINE_S)
    outbox.close()
    assert sorted(bench.store.taken) == ids[:3] + ids[4:]
    assert outbox.counts().refused == 1


def test_a_fault_nobody_foresaw_concerns_only_its_clip(bench: Bench):
    def answer(record: ClipRecord) -> None:
        if record.metadata.sequence == 0:
            raise RuntimeError("surprise")

    bench.store.answer = answer
    outbox = bench.outbox()
    ids = bench.accept(outbox, 3)
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == ids[1:]
    assert "surprise" in bench.told.wait_for("refused")[0]["reason"]


def test_a_clip_damaged_on_disk_is_set_aside_not_sent(bench: Bench):
    bench.store.answer = down
    first = bench.outbox()
    ids = bench.accept(first, 3)
    first.close()
    path = bench.folder / "lab" / f"{ids[1]}.h264"
    path.write_bytes(b"\0" * path.stat().st_size)
    bench.store.answer = lambda record: None
    second = bench.outbox()
    assert second.wait_until_empty(DEADLINE_S)
    second.close()
    assert sorted(bench.store.taken) == [ids[0], ids[2]]
    assert (bench.folder / "lab" / "damaged" / f"{ids[1]}.h264").exists()


def refuse(record: ClipRecord) -> None:
    raise Problem(Kind.REFUSED, "EntityTooLarge")


def test_a_clip_that_is_being_set_aside_is_sent_by_nobody_else(bench: Bench):
    tries: Counter[str] = Counter()

    def refuse_and_count(record: ClipRecord) -> None:
        tries[record.clip_id] += 1
        refuse(record)

    bench.store.answer = refuse_and_count
    outbox = bench.outbox(workers=8)
    ids = bench.accept(outbox, 200)
    assert outbox.wait_until_empty(DEADLINE_S)
    assert tries == dict.fromkeys(ids, REFUSALS_BEFORE_SETTING_ASIDE)


def test_what_was_refused_is_tried_again_at_the_next_start(bench: Bench):
    bench.store.answer = refuse
    first = bench.outbox()
    ids = bench.accept(first, 3)
    assert first.wait_until_empty(DEADLINE_S)
    first.close()
    assert sorted(path.stem for path in bench.folder.glob("lab/refused/*.h264")) == ids
    bench.store.answer = lambda record: None
    second = bench.outbox()
    assert second.wait_until_empty(DEADLINE_S)
    second.close()
    assert sorted(bench.store.taken) == ids
    bench.wait_for_files([])


def test_what_was_refused_is_tried_again_when_somebody_asks_while_the_camera_runs(bench: Bench):
    bench.store.answer = refuse
    outbox = bench.outbox()
    ids = bench.accept(outbox, 3)
    bench.told.wait_for("refused", 3)
    bench.store.answer = lambda record: None
    (bench.folder / "lab" / RETRY_NAME).touch()
    assert bench.told.wait_for("retrying") == [{"clips": 3}]
    bench.told.wait_for("uploaded", 3)
    outbox.close()
    assert sorted(bench.store.taken) == ids
    bench.wait_for_files([])


def test_a_refused_clip_that_was_only_in_memory_is_not_lost(bench: Bench):
    class SlowDisk(Spool):
        gate = threading.Event()

        def write(self, record: ClipRecord, data: bytes) -> None:
            self.gate.wait(DEADLINE_S)
            super().write(record, data)

    bench.store.answer = refuse
    outbox = bench.outbox(spool=SlowDisk(bench.folder, "lab", 10**9))
    ids = bench.accept(outbox, 4)
    SlowDisk.gate.set()
    assert outbox.wait_until_empty(DEADLINE_S)
    bench.told.wait_for("refused", 4)
    outbox.close()
    assert sorted(path.stem for path in bench.folder.glob("lab/refused/*.h264")) == ids


def test_what_is_set_aside_counts_in_the_budget_and_makes_room_for_what_waits(bench: Bench):
    bench.store.answer = refuse
    outbox = bench.outbox(budget=1000, workers=1)
    refused = bench.accept(outbox, 8)
    bench.told.wait_for("refused", 8)
    bench.store.answer = down
    waiting = bench.accept(outbox, 8, first=100)
    dropped = [fields["clip_id"] for fields in bench.told.wait_for("dropped", 6)]
    wait_until(lambda: set(waiting) <= set(bench.files()), DEADLINE_S, "all that waits on disk")
    assert outbox.counts().spool_bytes <= 1000
    outbox.close()
    assert dropped == refused[:6]
    assert bench.files() == sorted(refused[6:] + waiting)


def test_a_clip_that_always_fails_does_not_hold_up_the_rest(bench: Bench):
    """A middlebox may swallow one clip for ever, in a way that looks like the network."""

    def answer(record: ClipRecord) -> None:
        if record.metadata.sequence == 0:
            raise Problem(Kind.STRANGE, "is answered by something else")

    bench.store.answer = answer
    outbox = bench.outbox(workers=1)
    ids = bench.accept(outbox, 20)
    bench.told.wait_for("uploaded", 19)
    assert sorted(bench.store.taken) == ids[1:]
    assert bench.told.of("refused") == []
    outbox.close()
    assert bench.files() == ids[:1]


@pytest.mark.parametrize(
    "kind", [kind for kind in Kind if kind is not Kind.REFUSED], ids=lambda kind: kind.value
)
def test_nothing_but_s3_s_own_refusal_sets_a_clip_aside(bench: Bench, kind: Kind):
    def answer(record: ClipRecord) -> None:
        if bench.store.tries < 25:
            raise Problem(kind, "not now")

    bench.store.answer = answer
    outbox = bench.outbox()
    ids = bench.accept(outbox, 5)
    assert outbox.wait_until_empty(DEADLINE_S)
    assert sorted(bench.store.taken) == ids
    assert outbox.counts().refused == 0


def test_a_writer_that_fails_is_told_and_what_was_in_memory_is_stored_at_the_end(bench: Bench):
    class FaultyDisk(Spool):
        faulty = True

        def write(self, record: ClipRecord, data: bytes) -> None:
            if self.faulty:
                raise RuntimeError("a fault of ours")
            super().write(record, data)

    faults: list[tuple[str, str]] = []
    ended = threading.Event()

    def failed(thread: str, why: str) -> None:
        faults.append((thread, why))
        ended.set()

    bench.store.answer = down
    disk = FaultyDisk(bench.folder, "lab", 10**9)
    outbox = bench.outbox(spool=disk, failed=failed)
    ids = bench.accept(outbox, 3)
    assert ended.wait(DEADLINE_S)
    assert faults[0][0] == "spool"
    assert "a fault of ours" in faults[0][1]
    disk.faulty = False
    outbox.close()
    assert bench.files() == ids
