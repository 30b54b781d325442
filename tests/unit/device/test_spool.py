from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from contract.clips import ClipKey, ClipMetadata
from device import spool as spool_module
from device.clip_record import ClipRecord
from device.clock import Clock
from device.spool import ClipDamaged, Spool, SpoolBusy, SpoolFull, SpoolUnusable


def clip(number: int, data: bytes = b"clip", boot_id: str = "", captured_ns: int = 0) -> ClipRecord:
    start = 1_800_000_000_000 + number * 500
    return ClipRecord.of(
        ClipKey.new("pi-01", start, number),
        ClipMetadata(start, start + 500, number),
        data,
        boot_id,
        captured_ns,
    )


@pytest.fixture
def spool(tmp_path: Path):
    spool = Spool(tmp_path, "pi-01", 1_000_000)
    spool.open()
    yield spool
    spool.close()


def reopened(spool: Spool) -> tuple[list[ClipRecord], list[ClipRecord]]:
    spool.close()
    return spool.open()


def test_a_clip_comes_back_after_a_restart_with_all_that_was_known(spool: Spool):
    records = [clip(number, bytes([number]) * 100, "boot", 7) for number in range(3)]
    for record, byte in zip(records, range(3), strict=True):
        spool.write(record, bytes([byte]) * 100)
    waiting, sent = reopened(spool)
    assert waiting == records
    assert sent == []
    assert spool.read(waiting[1]) == b"\x01" * 100
    assert spool.used_bytes == 300


def test_half_written_parts_of_a_crash_go_away(spool: Spool):
    record = clip(1)
    spool.write(record, b"clip")
    for name in ("x.h264.part", "x.json.part", "orphan.json"):
        (spool.folder / name).write_bytes(b"half")
    waiting, _ = reopened(spool)
    assert waiting == [record]
    assert {path.name for path in spool.folder.iterdir() if path.is_file()} == {
        ".lock",
        f"{record.clip_id}.h264",
        f"{record.clip_id}.json",
    }


def test_the_clip_is_renamed_last(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    renamed = []
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda p, t: renamed.append(Path(t).suffix) or rename(p, t))
    spool.write(clip(1), b"clip")
    assert renamed == [".json", ".h264"]


def test_every_file_is_flushed_to_the_disk_before_it_gets_its_name(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    steps = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda fd: steps.append("fsync") or fsync(fd))
    monkeypatch.setattr(Path, "rename", lambda p, t: steps.append("rename") or rename(p, t))
    spool.write(clip(1), b"clip")
    assert steps == ["fsync", "rename", "fsync", "rename", "fsync"]


def test_a_clip_that_the_disk_damaged_is_never_read(spool: Spool):
    record = clip(1)
    spool.write(record, b"clip")
    (spool.folder / f"{record.clip_id}.h264").write_bytes(b"clop")
    with pytest.raises(ClipDamaged):
        spool.read(record)


def test_a_clip_of_the_wrong_length_is_set_aside_at_the_start(spool: Spool):
    record = clip(1)
    spool.write(record, b"clip")
    (spool.folder / f"{record.clip_id}.h264").write_bytes(b"cli")
    waiting, _ = reopened(spool)
    assert waiting == []
    assert (spool.folder / "damaged" / f"{record.clip_id}.h264").read_bytes() == b"cli"


def test_a_clip_that_could_not_be_read_for_a_while_waits_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    """One error of the card at a start must not set a good clip aside for ever."""
    record = clip(1)
    spool.write(record, b"clip")

    def fail(self: Path, *_: object, **__: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", fail)
        broken.setattr(Path, "read_text", fail)
        assert reopened(spool) == ([], [])
        assert (spool.folder / "damaged" / f"{record.clip_id}.h264").exists()
    waiting, _ = reopened(spool)
    assert waiting == [record]
    assert spool.read(record) == b"clip"
    assert spool.used_bytes == record.size_bytes


@pytest.mark.parametrize("side", [b"", b"{}", b"\x00\x00", b'{"key": 1}', None], ids=repr)
def test_a_clip_without_a_readable_side_file_is_kept_without_times(spool: Spool, side):
    record = clip(1)
    spool.write(record, b"clip")
    path = spool.folder / f"{record.clip_id}.json"
    path.unlink() if side is None else path.write_bytes(side)
    ((kept,), _) = reopened(spool)
    assert kept.key == record.key
    assert kept.metadata == ClipMetadata(0, 0, 0)
    assert spool.read(kept) == b"clip"


def test_a_clip_whose_name_begins_with_no_date_is_kept_without_one(spool: Spool):
    (spool.folder / "2026112x-by-hand.h264").write_bytes(b"clip")
    ((kept,), _) = reopened(spool)
    assert (kept.clip_id, kept.key.date) == ("2026112x-by-hand", "")


def test_what_was_written_is_not_held_open(spool: Spool):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one number
    for number in range(5):
        spool.write(clip(number), b"clip")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_parked_clips_come_back_as_sent_and_can_be_recalled(spool: Spool):
    record = clip(1)
    spool.write(record, b"clip")
    spool.park(record)
    assert reopened(spool) == ([], [record])
    assert spool.read(record) == b"clip"
    spool.recall(record)
    assert reopened(spool) == ([record], [])
    spool.remove([record.clip_id])
    assert reopened(spool) == ([], [])
    assert spool.used_bytes == 0


def test_the_budget_holds(spool: Spool):
    data = b"x" * 400_000
    first, second, third = (clip(number, data) for number in range(3))
    spool.write(first, data)
    spool.write(second, data)
    with pytest.raises(SpoolFull):
        spool.write(third, data)
    spool.remove([first.clip_id])
    spool.write(third, data)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_behind(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, code: int
):
    def full(descriptor: int) -> None:
        raise OSError(code, "no space")

    monkeypatch.setattr(spool_module.os, "fsync", full)
    with pytest.raises(SpoolFull):
        spool.write(clip(1), b"clip")
    monkeypatch.undo()
    assert [path.name for path in spool.folder.iterdir() if path.is_file()] == [".lock"]
    assert spool.used_bytes == 0


def test_a_failing_card_is_told_by_name(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(spool_module.os, "fsync", broken)
    with pytest.raises(SpoolUnusable, match="Input/output error"):
        spool.write(clip(1), b"clip")


def test_a_card_that_turned_read_only_is_told_by_name(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    record = clip(1)
    spool.write(record, b"clip")

    def worn(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", worn)
    monkeypatch.setattr(Path, "replace", worn)
    for step in (spool.park, spool.set_aside, lambda record: spool.remove([record.clip_id])):
        with pytest.raises(SpoolUnusable, match="Read-only file system"):
            step(record)


def test_two_cameras_can_not_share_a_spool(spool: Spool, tmp_path: Path):
    with pytest.raises(SpoolBusy, match="pi-01"):
        Spool(tmp_path, "pi-01", 1).open()
    other = Spool(tmp_path, "pi-02", 1)
    other.open()
    other.close()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusable, match="file"):
        Spool(tmp_path / "file", "pi-01", 1).open()


class TestClockSetAfterCapture:
    """A Pi without a battery clock records in 1970 and is set right later."""

    def clock(self, wall_s: int, boot_id: str = "boot") -> Clock:
        return Clock(
            wall_ns=lambda: wall_s * 10**9,
            monotonic_ns=lambda: 100 * 10**9,
            boot_id=lambda: boot_id,
        )

    def record(self) -> ClipRecord:
        key = ClipKey.new("pi-01", 50_000, 0)
        metadata = ClipMetadata(50_000, 50_500, 3)
        return ClipRecord.of(key, metadata, b"", "boot", captured_ns=50_500_000_000)

    def test_times_move_with_the_clock(self):
        fixed = self.record().metadata_now(self.clock(1_800_000_000))
        assert fixed == ClipMetadata(1_799_999_950_000, 1_799_999_950_500, 3)

    def test_times_stay_when_the_clock_was_right(self):
        record = self.record()
        assert record.metadata_now(self.clock(100)) == record.metadata

    def test_times_stay_after_a_reboot_because_the_monotonic_clock_began_anew(self):
        record = self.record()
        assert record.metadata_now(self.clock(1_800_000_000, "other")) == record.metadata


def test_a_side_file_can_not_name_another_file(spool: Spool):
    record = clip(1)
    spool.write(record, b"clip")
    side = spool.folder / f"{record.clip_id}.json"
    side.write_text(side.read_text().replace(record.clip_id, "../../victim"))
    ((found,), _) = reopened(spool)
    assert found.clip_id == record.clip_id
    assert spool.read(found) == b"clip"


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"key":7}', "[" * 100_000, "\x00"])
def test_a_side_file_that_is_no_record_costs_only_the_times(spool: Spool, text: str):
    record = clip(1)
    spool.write(record, b"clip")
    (spool.folder / f"{record.clip_id}.json").write_text(text)
    ((found,), _) = reopened(spool)
    assert (found.clip_id, found.metadata.capture_end_ms) == (record.clip_id, 0)


def test_a_record_of_a_device_that_runs_for_a_year_is_read_again():
    year_ns = 366 * 86_400 * 10**9
    record = ClipRecord.of(clip(1).key, clip(1).metadata, b"x", "boot", year_ns)
    assert ClipRecord.from_json(record.to_json()) == record


def test_clips_are_nobody_else_s_to_read_whatever_the_umask(tmp_path: Path):
    previous = os.umask(0)
    try:
        (tmp_path / "spool" / "pi-01").mkdir(parents=True, mode=0o755)  # of an earlier version
        spool = Spool(tmp_path / "spool", "pi-01", 10**9)
        spool.open()
        spool.write(clip(1), b"clip")
        spool.close()
    finally:
        os.umask(previous)
    for path in (tmp_path / "spool" / "pi-01").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert (tmp_path / "spool" / "pi-01").stat().st_mode & 0o777 == 0o700
