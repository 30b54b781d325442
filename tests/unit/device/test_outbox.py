from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.clips import ClipKey, ClipMetadata
from device.answered import FILE_NAME, Answered, AnsweredReader
from device.backoff import Backoff
from device.clip_record import ClipRecord
from device.outbox import KeepUntilAnswered, Outbox
from device.problems import Kind, Problem
from device.sender import REFUSALS_BEFORE_SETTING_ASIDE
from device.spool import RETRY_NAME, Spool, SpoolFull, SpoolUnusable
from tests.conftest import wait_until

QUICK = Backoff(base_s=0.001, cap_s=0.01)
DEADLINE_S = 30.0


@dataclass
class Store:
    """Takes uploads; `answer` may raise, or wait."""

    answer: Callable[[ClipRecord], None] = lambda record: None
    taken: list[str] = field(default_factory=list)
    data: dict[str, bytes] = field(default_factory=dict)
    tries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, record: ClipRecord, data: bytes) -> None:
        with self.lock:
            self.tries += 1
        self.answer(record)
        with self.lock:
            self.taken.append(record.clip_id)
            self.data[record.clip_id] = data


class Told:
    """What the outbox reported; lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []
        self._changed = threading.Condition()

    def __call__(self, event: str, fields: dict) -> None:
        with self._changed:
            self.events.append((event, fields))
            self._changed.notify_all()

    def of(self, event: str) -> list[dict]:
        return [fields for name, fields in self.events if name == event]

    def wait_for(self, event: str, times: int = 1) -> list[dict]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(event)) >= times, DEADLINE_S), event
        return self.of(event)


def clip(number: int, data: bytes) -> ClipRecord:
    start = 1_800_000_000_000 + number * 500
    key = ClipKey.new("lab", start, number)
    return ClipRecord.of(key, ClipMetadata(start, start + 500, number), data)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = Told()
        self.store = Store()
        self._open: list[Outbox] = []

    def outbox(self, budget: int = 10**9, workers: int = 3, **settings: object) -> Outbox:
        spool = settings.pop("spool", None) or Spool(self.folder, "lab", budget)
        outbox = Outbox(spool, self.store, self.told, workers=workers, backoff=QUICK, **settings)
        outbox.open()
        self._open.append(outbox)
        return outbox

    def accept(self, outbox: Outbox, count: int, size: int = 100, first: int = 0) -> list[str]:
        ids = []
        for number in range(first, first + count):
            data = number.to_bytes(4) * (size // 4)
            record = clip(number, data)
            outbox.accept(record, data)
            ids.append(record.clip_id)
        return ids

    def files(self) -> list[str]:
        return sorted(path.stem for path in self.folder.rglob("*.h264"))

    def wait_for_files(self, ids: list[str]) -> None:
        """While an outbox is open its clips move from folder to folder: one may show twice."""
        wait_until(lambda: self.files() == sorted(ids), DEADLINE_S, f"just {ids} on disk")

    def close(self) -> None:
        for outbox in self._open:
            outbox.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def down(record: ClipRecord) -> None:
    raise Problem(Kind.NETWORK, "can't be reached")


def test_clips_arrive_whole_and_leave_the_spool(bench: Bench):
    outbox = bench.outbox()
    ids = bench.accept(outbox, 20)
    assert outbox.wait_until_empty(DEADLINE_S)
    outbox.close()
    assert sorted(bench.store.taken) == ids
    assert bench.store.data[ids[7]] == (7).to_bytes(4) * 25
    assert bench.files() == []
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


class BrokenDisk(Spool):
    """Takes nothing until `works` is set."""

    works = False

    def write(self, record: ClipRecord, data: bytes) -> None:
        if not self.works:
            raise SpoolFull("the disk is full")
        super().write(record, data)


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
    assert bench.files() == []


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
    assert bench.files() == []


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
        assert bench.files() == []
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
        outbox.close()
        assert bench.files() == []

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
        assert bench.files() == []

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
