from __future__ import annotations

from pathlib import Path

import pytest

from device.answered import FILE_NAME, AlreadyReading, Answered, AnsweredReader


def opened(folder: Path, keep: int = 5) -> Answered:
    answered = Answered(folder, "lab", keep)
    answered.open()
    return answered


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
