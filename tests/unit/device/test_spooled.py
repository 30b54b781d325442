"""`facelab spool`: what waits, and sending it by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contract.clips import ClipKey, ClipMetadata
from device.answered import Answered
from device.clip_record import ClipRecord
from device.spool import RETRY_NAME, Spool
from device.spooled import main
from tests.fakes.cloud import Failure, FakeCloud

DATA = b"clip" * 100


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch):
    with FakeCloud() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        yield cloud


@pytest.fixture
def refused(tmp_path: Path) -> str:
    """The id of a clip that S3 had refused."""
    spool = Spool(tmp_path, "lab", 10**9)
    spool.open()
    key = ClipKey.new("lab", 1_800_000_000_000, 1)
    record = ClipRecord.of(key, ClipMetadata(1, 2, 1), DATA)
    spool.write(record, DATA)
    spool.set_aside(record)
    spool.close()
    return record.clip_id


def test_retry_sends_what_s3_had_refused(cloud: FakeCloud, tmp_path: Path, refused: str):
    assert main(["retry", "--spool", str(tmp_path)]) == 0
    assert [Path(key).stem for key in cloud.keys] == [refused]
    assert not list((tmp_path / "lab" / "refused").iterdir())


def test_what_is_refused_again_stays_and_says_so(
    cloud: FakeCloud, tmp_path: Path, refused: str, capsys: pytest.CaptureFixture
):
    cloud.put_failure = lambda key: Failure(400, "EntityTooLarge")
    assert main(["retry", "--spool", str(tmp_path)]) == 1
    assert "EntityTooLarge" in capsys.readouterr().out
    assert (tmp_path / "lab" / "refused" / f"{refused}.h264").exists()


def test_a_clip_that_was_shown_after_its_camera_had_ended_waits_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    """Everything was shown, and the list said that half of it was awaiting an answer."""
    with_answer, without = (f"20261129T12433001{n}Z-00001{n}-dd44cf" for n in (1, 2))
    sent = tmp_path / "lab" / "sent"
    sent.mkdir(parents=True)
    for clip_id in (with_answer, without):
        (sent / f"{clip_id}.h264").write_bytes(DATA)
    answered = Answered(tmp_path, "lab")
    answered.open()
    answered.add(with_answer)
    answered.close()
    assert main(["list", "--spool", str(tmp_path), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["state"]: one["clips"] for one in told} == {
        "waiting": 0, "awaiting an answer": 1, "refused": 0, "damaged": 0
    }  # fmt: skip


def test_without_a_network_it_ends_in_time_and_loses_nothing(
    cloud: FakeCloud, tmp_path: Path, refused: str
):
    cloud.down()
    assert main(["retry", "--spool", str(tmp_path), "--timeout", "0.2"]) == 1
    assert len(list((tmp_path / "lab").rglob(f"{refused}.h264"))) == 1


def test_while_a_camera_runs_it_is_asked_to(
    cloud: FakeCloud, tmp_path: Path, refused: str, capsys: pytest.CaptureFixture
):
    spool = Spool(tmp_path, "lab", 10**9)
    spool.open()  # as a running camera does
    assert main(["retry", "--spool", str(tmp_path)]) == 0
    assert "running camera" in capsys.readouterr().out
    assert (tmp_path / "lab" / RETRY_NAME).exists()
    spool.close()


def test_list_counts_what_lies_where(
    cloud: FakeCloud, tmp_path: Path, refused: str, capsys: pytest.CaptureFixture
):
    assert main(["list", "--spool", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["0", "0", "1", "0"]


def test_another_folder_is_no_spool_and_none_is_made(
    cloud: FakeCloud, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main(["list", "--spool", str(tmp_path / "typo")]) == 2
    assert "no device's spool" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()
