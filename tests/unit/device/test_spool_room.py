"""The spool's room: what counts, what is left free, and what lies where after each step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.clips import ClipKey, ClipMetadata
from device.clip_record import ClipRecord
from device.spool import (
    RESERVE_BYTES,
    RETRY_NAME,
    ClipDamaged,
    Spool,
    SpoolFull,
    SpoolUnusable,
)

SIZE = 100


def clip(number: int) -> tuple[ClipRecord, bytes]:
    data = bytes([number]) * SIZE
    start = 1_800_000_000_000 + number * 500
    metadata = ClipMetadata(start, start + 500, number)
    return ClipRecord.of(ClipKey.new("pi-01", start, number), metadata, data), data


class Free:
    """Free bytes on the disk."""

    left = 10**12

    def __call__(self, folder: Path) -> int:
        assert folder.is_dir()
        return self.left


@pytest.fixture
def free() -> Free:
    return Free()


@pytest.fixture
def spool(tmp_path: Path, free: Free) -> Iterator[Spool]:
    spool = Spool(tmp_path, "pi-01", 3 * SIZE, free)
    spool.open()
    yield spool
    spool.close()


def store(spool: Spool, *numbers: int) -> list[ClipRecord]:
    records = []
    for number in numbers:
        record, data = clip(number)
        spool.write(record, data)
        records.append(record)
    return records


def files(spool: Spool, folder: str = "") -> set[str]:
    return {path.name for path in (spool.folder / folder).iterdir() if path.suffix}


def names(*records: ClipRecord) -> set[str]:
    return {one.clip_id + suffix for one in records for suffix in (".h264", ".json")}


def reopened(spool: Spool) -> tuple[list[ClipRecord], list[ClipRecord]]:
    spool.close()
    return spool.open()


def test_the_budget_is_used_to_its_last_byte_and_no_further(spool):
    store(spool, 1, 2, 3)
    assert spool.used_bytes == 3 * SIZE
    with pytest.raises(SpoolFull, match=f"{SIZE} bytes"):
        store(spool, 4)


def test_some_of_the_disk_stays_free_whatever_the_budget_says(spool, free):
    free.left = RESERVE_BYTES + SIZE
    store(spool, 1)
    free.left = RESERVE_BYTES + SIZE - 1
    with pytest.raises(SpoolFull):
        store(spool, 2)


def test_without_a_word_the_disk_itself_is_asked(tmp_path):
    spool = Spool(tmp_path, "pi-01", 10**9)
    spool.open()
    store(spool, 1)
    spool.close()


def test_what_is_set_aside_counts_until_it_goes(spool):
    (first, second) = store(spool, 1, 2)
    spool.set_aside(first)
    spool.set_aside(second, damaged=True)
    assert (spool.used_bytes, files(spool, "refused"), files(spool, "damaged")) == (
        2 * SIZE, names(first), names(second),
    )  # fmt: skip
    assert spool.drop_oldest_aside() == first.clip_id
    assert (spool.used_bytes, files(spool, "refused")) == (SIZE, set())
    assert spool.drop_oldest_aside() == second.clip_id
    assert spool.drop_oldest_aside() is None
    assert spool.used_bytes == 0


def test_one_that_can_not_be_dropped_still_counts(spool, monkeypatch):
    (first,) = store(spool, 1)
    spool.set_aside(first)

    def worn(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", worn)
        with pytest.raises(SpoolUnusable, match="can't remove clips in the spool: Read-only"):
            spool.drop_oldest_aside()
    assert spool.used_bytes == SIZE
    assert spool.drop_oldest_aside() == first.clip_id


def test_a_clip_and_its_side_file_go_together_wherever_they_lie(spool):
    waits, sent = store(spool, 1, 2)
    spool.park(sent)
    assert (files(spool), files(spool, "sent")) == (names(waits), names(sent))
    spool.remove([waits.clip_id, sent.clip_id, "not-there"])
    assert (files(spool), files(spool, "sent"), spool.used_bytes) == (set(), set(), 0)


def test_the_clip_goes_before_its_side_file(spool, monkeypatch):
    """A clip alone would be sent, a side file alone is nothing."""
    (first,) = store(spool, 1)
    order: list[str] = []
    unlink = Path.unlink
    monkeypatch.setattr(
        Path, "unlink", lambda self, **more: order.append(self.suffix) or unlink(self, **more)
    )
    spool.remove([first.clip_id])
    assert order[:2] == [".h264", ".json"]


def test_refused_clips_that_are_asked_for_wait_again_and_count_once(spool):
    first, second, third = store(spool, 1, 2, 3)
    for record in (second, first):
        spool.set_aside(record)
    spool.set_aside(third, damaged=True)
    assert not spool.retry_asked()
    (spool.folder / RETRY_NAME).touch()
    assert spool.retry_asked()
    assert spool.take_refused() == [first, second]
    assert not spool.retry_asked()
    assert files(spool) == names(first, second)
    assert spool.used_bytes == 3 * SIZE
    assert spool.drop_oldest_aside() == third.clip_id
    assert spool.drop_oldest_aside() is None
    assert spool.take_refused() == []


def test_a_damaged_one_among_them_is_set_aside_as_such(spool):
    (first,) = store(spool, 1)
    spool.set_aside(first)
    (spool.folder / "refused" / f"{first.clip_id}.h264").write_bytes(b"half")
    assert spool.take_refused() == []
    assert files(spool, "damaged") == names(first)
    assert spool.used_bytes == len(b"half")


def test_after_a_restart_all_is_counted_as_before(spool):
    waits, sent, refused = store(spool, 1, 2, 3)
    spool.park(sent)
    spool.set_aside(refused)
    assert reopened(spool) == ([waits, refused], [sent])
    assert spool.used_bytes == 3 * SIZE
    spool.set_aside(waits, damaged=True)
    path = spool.folder / "damaged" / f"{waits.clip_id}.h264"
    path.write_bytes(b"half")
    reopened(spool)
    assert spool.used_bytes == 2 * SIZE + len(b"half")
    assert spool.drop_oldest_aside() == waits.clip_id


@pytest.mark.parametrize(("data", "is_taken"), [(b"whole", True), (b"", False)])
def test_a_damaged_clip_whose_side_file_is_gone_is_taken_as_it_is(spool, data, is_taken):
    path = spool.folder / "damaged" / "20270115T080000500Z-000001-aaaaaa.h264"
    path.write_bytes(data)
    waiting, _ = reopened(spool)
    assert [one.size_bytes for one in waiting] == [len(data)] * is_taken
    assert path.exists() != is_taken
    if is_taken:
        assert (waiting[0].key.date, waiting[0].key.device_id) == ("2027-01-15", "pi-01")


def test_a_clip_whose_name_tells_no_day_has_none(spool):
    (spool.folder / "film.h264").write_bytes(b"whole")
    ((record,), _) = reopened(spool)
    assert (record.key.date, record.clip_id) == ("", "film")


def test_an_orphan_of_each_folder_goes_and_what_belongs_together_stays(spool):
    waits, sent = store(spool, 1, 2)
    spool.park(sent)
    for folder in ("", "sent"):
        (spool.folder / folder / "orphan.json").write_text("{}")
        (spool.folder / folder / "half.h264.part").write_text("half")
    assert reopened(spool) == ([waits], [sent])
    assert (files(spool), files(spool, "sent")) == (names(waits), names(sent))


def test_a_side_file_of_another_device_is_none(spool):
    (first,) = store(spool, 1)
    side = spool.folder / f"{first.clip_id}.json"
    side.write_text(side.read_text().replace('"pi-01"', '"pi-02"'))
    ((found,), _) = reopened(spool)
    assert (found.key.device_id, found.metadata) == ("pi-01", ClipMetadata(0, 0, 0))


def test_what_is_gone_or_can_not_be_read_is_damaged_and_says_why(spool, monkeypatch):
    first, second = store(spool, 1, 2)
    (spool.folder / f"{first.clip_id}.h264").unlink()
    with pytest.raises(ClipDamaged, match="is gone"):
        spool.read(first)

    def broken(self: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(ClipDamaged, match="Input/output error"):
        spool.read(second)


def test_a_record_without_a_checksum_is_read_as_it_is(spool):
    record, _ = clip(1)
    unknown = ClipRecord(record.key, record.metadata, SIZE, "")
    spool.write(unknown, b"anything")
    assert spool.read(unknown) == b"anything"


def test_a_spool_that_was_closed_is_free_and_may_be_closed_again(spool, tmp_path):
    spool.close()
    spool.close()
    other = Spool(tmp_path, "pi-01", 1)
    other.open()
    other.close()
    spool.open()


def test_a_write_that_fails_keeps_what_another_left(spool, monkeypatch):
    (first,) = store(spool, 1)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        write(descriptor, bytes(data)[:1])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(SpoolFull, match="is full"):
            store(spool, 2)
    assert files(spool) == names(first)
    assert spool.used_bytes == SIZE


@pytest.mark.parametrize("side", [b"\xff\xfe", b"{}", b"null"])
def test_a_damaged_clip_whose_side_file_says_nothing_stays_where_it_is(spool, side):
    (first,) = store(spool, 1)
    spool.set_aside(first, damaged=True)
    (spool.folder / "damaged" / f"{first.clip_id}.json").write_bytes(side)
    assert reopened(spool) == ([], [])
    assert spool.used_bytes == SIZE
