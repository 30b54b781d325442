from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.answered import FILE_NAME, AlreadyReading, Answered, AnsweredReader, AnsweredUnusable


def opened(folder: Path, keep: int = 5) -> Answered:
    answered = Answered(folder, "lab", keep)
    answered.open()
    return answered


def test_closing_what_was_never_opened_closes_nothing_else(tmp_path: Path):
    """A number that stands for no file could be that of standard input."""
    before = os.fstat(0)
    Answered(tmp_path, "lab", 5).close()
    assert os.fstat(0) == before


def test_ids_are_remembered_over_a_restart(tmp_path: Path):
    first = opened(tmp_path)
    first.add("a")
    first.close()
    second = opened(tmp_path)
    assert "a" in second
    assert "b" not in second
    second.close()


def test_only_the_newest_ids_count_and_the_file_stays_small(tmp_path: Path):
    answered = opened(tmp_path, keep=5)
    for number in range(100):
        answered.add(str(number))
    assert [n for n in range(100) if str(n) in answered] == [95, 96, 97, 98, 99]
    assert len((tmp_path / "lab" / FILE_NAME).read_text().splitlines()) <= 11
    answered.close()


def test_the_file_is_made_short_once_it_is_twice_too_long_counted_over_a_restart(tmp_path: Path):
    lines = []
    for ids in (6, 1, 3, 1):
        answered = opened(tmp_path, keep=5)
        for number in range(ids):
            answered.add(f"{len(lines)}-{number}")
        answered.close()
        lines.append(len((tmp_path / "lab" / FILE_NAME).read_text().splitlines()))
    assert lines == [6, 7, 10, 5]


def test_an_id_that_is_added_again_is_among_the_newest(tmp_path: Path):
    answered = opened(tmp_path, keep=2)
    for one in "abac":
        answered.add(one)
    assert [one for one in "abc" if one in answered] == ["a", "c"]
    answered.close()


def test_to_make_the_file_short_leaves_no_other_open(tmp_path: Path):
    answered = opened(tmp_path, keep=1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one number
    for number in range(20):
        answered.add(str(number))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    answered.close()


def test_a_camera_that_looks_late_sees_all_that_was_kept(tmp_path: Path):
    answered = opened(tmp_path, keep=5)
    path = tmp_path / "lab" / FILE_NAME
    reader = AnsweredReader(path)
    answered.add("first")
    assert reader.new_ids() == ["first"]
    for number in range(50):
        answered.add(str(number))
    assert reader.new_ids() == AnsweredReader(path).new_ids()
    answered.close()


def test_the_camera_sees_each_new_id_also_over_a_compaction(tmp_path: Path):
    answered = opened(tmp_path, keep=5)
    reader = AnsweredReader(tmp_path / "lab" / FILE_NAME)
    seen: set[str] = set()
    for number in range(50):
        answered.add(str(number))
        seen.update(reader.new_ids())
    assert seen == {str(number) for number in range(50)}
    assert reader.new_ids() == []
    answered.close()


def test_a_line_cut_by_a_power_loss_is_not_an_id(tmp_path: Path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / FILE_NAME).write_bytes(b"whole\nhal")
    answered = opened(tmp_path)
    assert "whole" in answered
    assert "hal" not in answered
    answered.add("next")
    assert AnsweredReader(tmp_path / "lab" / FILE_NAME).new_ids() == ["whole", "next"]
    answered.close()


def test_two_viewers_of_one_device_would_steal_from_each_other(tmp_path: Path):
    answered = opened(tmp_path)
    with pytest.raises(AlreadyReading, match="lab"):
        opened(tmp_path)
    answered.close()


def test_a_missing_file_has_no_ids(tmp_path: Path):
    assert AnsweredReader(tmp_path / "none").new_ids() == []


@pytest.mark.parametrize("one", ["a\x0bb", "a\nb", "a\x85b", "a\u2028b", '"', "\ud800", "é", ""])
def test_an_id_is_the_same_one_after_a_restart_whatever_it_holds(tmp_path: Path, one: str):
    first = opened(tmp_path)
    first.add(one)
    first.add("next")
    first.close()
    second = opened(tmp_path)
    assert one in second
    second.close()
    assert AnsweredReader(tmp_path / "lab" / FILE_NAME).new_ids() == [one, "next"]


@given(st.lists(st.text(st.characters(), max_size=10), max_size=5, unique=True))
def test_any_ids_are_read_as_they_were_written(ids: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        answered = opened(Path(folder))
        for one in ids:
            answered.add(one)
        answered.close()
        assert AnsweredReader(Path(folder) / "lab" / FILE_NAME).new_ids() == ids


def test_a_full_disk_costs_no_id_and_freeing_space_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    answered = opened(tmp_path)
    answered.add("before")

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("device.answered.write_all", full)
        for one in ("first", "second"):
            with pytest.raises(AnsweredUnusable, match="make room"):
                answered.add(one)
            assert one in answered
    assert AnsweredReader(tmp_path / "lab" / FILE_NAME).new_ids() == ["before"]
    answered.add("third")
    answered.close()
    everything = ["before", "first", "second", "third"]
    assert AnsweredReader(tmp_path / "lab" / FILE_NAME).new_ids() == everything


def test_a_torn_line_that_could_not_be_cut_off_costs_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    answered = opened(tmp_path)
    answered.add("before")

    def broken(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, bytes(data)[: len(data) // 2])
        disk.setattr(os, "ftruncate", broken)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr("device.answered.write_all", full)
        with pytest.raises(AnsweredUnusable):
            answered.add("first")
    answered.add("second")
    answered.close()
    everything = ["before", "first", "second"]
    assert AnsweredReader(tmp_path / "lab" / FILE_NAME).new_ids() == everything


def test_a_list_whose_name_may_not_last_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("device.answered.sync_folder", broken)
    with pytest.raises(AnsweredUnusable, match="Input/output error"):
        opened(tmp_path)


def test_a_list_that_was_made_short_and_may_not_last_is_told_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    answered = opened(tmp_path, keep=1)
    answered.add("a", "b")

    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr("device.answered.sync_folder", broken)
        with pytest.raises(AnsweredUnusable, match="Input/output error"):
            answered.add("c")
    answered.add("d")
    answered.close()
    assert AnsweredReader(tmp_path / "lab" / FILE_NAME).new_ids() == ["d"]


def test_what_was_shown_lasts_through_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its message is deleted next: only what was flushed keeps a repeated one from being shown."""
    flushed: list[tuple[str, bytes]] = []

    def fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        if path.is_file():
            flushed.append((path.name, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    answered = opened(tmp_path, keep=1)
    answered.add("a")
    assert flushed[-1] == (FILE_NAME, b'"a"\n')
    answered.add("b")
    answered.add("c")
    assert flushed[-1] == (f"{FILE_NAME}.part", b'"c"\n')  # before it takes the other's place
    answered.close()


def test_the_camera_knows_whether_somebody_shows_results(tmp_path: Path):
    reader = AnsweredReader(tmp_path / "lab" / FILE_NAME)
    assert not reader.viewer_is_running()
    answered = opened(tmp_path)
    assert reader.viewer_is_running()
    answered.close()
    assert not reader.viewer_is_running()


def test_what_was_shown_is_nobody_else_s_to_read(tmp_path: Path):
    previous = os.umask(0)
    try:
        answered = opened(tmp_path / "spool", keep=1)
        for one in "abcdef":
            answered.add(one)  # compacted on the way
        answered.close()
    finally:
        os.umask(previous)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert {modes.pop("spool"), modes.pop("lab")} == {"0o700"}
    assert set(modes.values()) == {"0o600"}


def test_what_several_threads_add_at_once_is_all_written(tmp_path: Path):
    answered = opened(tmp_path, keep=10_000)
    names = [[f"{thread}-{number}" for number in range(50)] for thread in range(8)]
    threads = [Thread(target=lambda own=own: [answered.add(one) for one in own]) for own in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered.close()
    written = AnsweredReader(answered.path).new_ids()
    assert sorted(written) == sorted(one for own in names for one in own)
