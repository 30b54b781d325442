"""The camera program in this process: what it records, says, waits for and leaves behind."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from contract.clips import ClipKey
from device import camera
from device.answered import Answered
from device.crew import FAULT_STATUS
from device.sources import SourceError
from device.sources.base import Footage
from device.spool import Spool
from tests.fakes.cloud import FakeCloud, StoredObject
from tests.fakes.h264 import stream
from tests.fakes.metrics_reader import read_metrics_at


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    with FakeCloud() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("FACELAB_TRACES", raising=False)
        monkeypatch.delenv("FACELAB_DEVICE_ID", raising=False)
        yield cloud


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Event:
    """What Ctrl-C sets."""
    stop = Event()
    monkeypatch.setattr(camera, "stop_on_signals", lambda: stop)
    monkeypatch.setattr(camera, "end_with", lambda status: status)
    return stop


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(camera, "notify", told.append)
    return told


class Run:
    """`main` with a film of five clips, played a hundred times as fast."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.spool = folder / "spool"
        self._film = folder / "film.h264"
        self._film.write_bytes(stream(61))
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str, source: str = "") -> int:
        usual = ["--source", source or str(self._film), "--speed", "100"]
        status = camera.main([*usual, "--spool", str(self.spool), *arguments])
        self.out, self.err = self._capsys.readouterr()
        return status

    def of(self, event: str) -> list[dict]:
        return [one for one in map(json.loads, self.out.splitlines()) if one["event"] == event]

    def spans(self) -> list[dict]:
        lines = (self.spool / "lab" / "spans.camera.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def clips(self) -> list[str]:
        return sorted(path.stem for path in (self.spool / "lab").rglob("*.h264"))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], stop: Event) -> Run:
    return Run(tmp_path, capsys)


def test_each_clip_is_told_sent_and_traced(cloud: FakeCloud, run: Run, notified: list[str]):
    assert run("--json", "--count", "3", "--no-keep-until-answered") == 0
    assert run.of("start")[0]["device_id"] == "lab"
    told = run.of("clip")
    assert [(one["sequence"], one["frames"]) for one in told] == [(0, 15), (1, 15), (2, 15)]
    stored = {one.key: one for one in cloud.puts}
    assert stored.keys() == {one["key"] for one in told}
    for one in told:
        put = stored[one["key"]]
        assert one["bytes"] == len(put.data)
        assert one["clip_id"] == ClipKey.parse(put.key).clip_id
        times = [str(one[name]) for name in ("capture_start_ms", "capture_end_ms")]
        assert [put.metadata[f"capture-{end}-ms"] for end in ("start", "end")] == times
    counts = run.of("summary")[0]
    assert (counts["recorded"], counts["uploaded"], counts["waiting"]) == (3, 3, 0)
    assert run.clips() == []
    spans = [one for one in run.spans() if one["clip_id"] == told[0]["clip_id"]]
    by_name = {one["name"]: one for one in spans}
    assert by_name.keys() >= {"record", "cut", "upload"}
    start_ms, end_ms = told[0]["capture_start_ms"], told[0]["capture_end_ms"]
    record, cut = by_name["record"], by_name["cut"]
    assert (record["start_ms"], record["duration_ms"]) == (start_ms, end_ms - start_ms)
    assert cut["start_ms"] == end_ms
    assert 0 <= cut["duration_ms"] < 60_000
    told = [one for one in notified if not one.startswith("STATUS=")]  # after some seconds
    assert told == ["READY=1", *["WATCHDOG=1"] * 3, "STOPPING=1"]


def test_a_person_reads_lines_and_the_service_manager_too(
    cloud: FakeCloud, run: Run, notified: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(camera, "PROGRESS_S", 0.0)
    assert run("--count", "2", "--no-keep-until-answered", "--device", "pi-01") == 0
    first, *rest = run.out.splitlines()
    assert first.startswith("Recording from ")
    assert first.endswith(f"sending to {cloud.url} as device pi-01.")
    assert sum(" recorded, " in line for line in rest) == 2
    assert rest[-1].startswith("Recorded 2 clips, uploaded 2, waiting 0")
    assert [one for one in notified if one.startswith("STATUS=")] == [
        f"STATUS={line}" for line in rest if " recorded, " in line
    ]
    assert {ClipKey.parse(key).device_id for key in cloud.keys} == {"pi-01"}


def test_progress_is_told_now_and_then_not_with_each_clip(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(camera, "PROGRESS_S", 3600.0)
    assert run("--no-keep-until-answered") == 0
    assert " recorded, " not in run.out


def test_after_each_word_of_progress_there_is_a_pause(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    def pause(state: str) -> None:
        if state.startswith("STATUS="):
            monkeypatch.setattr(camera, "PROGRESS_S", 3600.0)

    monkeypatch.setattr(camera, "PROGRESS_S", 0.0)
    monkeypatch.setattr(camera, "notify", pause)
    assert run("--count", "4", "--no-keep-until-answered") == 0
    assert run.out.count(" recorded, ") == 2


def test_without_a_network_it_says_what_still_waits_and_leaves_it_in_the_spool(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(camera, "LOOK_S", 0.05)
    cloud.down()
    assert run("--count", "2", "--drain-timeout", "0.4") == 1
    assert run.out.count("Recording has ended; 2 clips wait: 2 for S3 (Ctrl-C ") == 1
    assert "waiting 2" in run.out
    assert len(run.clips()) == 2


def test_after_the_last_clip_it_goes_on_saying_what_it_waits_for(
    cloud: FakeCloud, run: Run, notified: list[str], monkeypatch: pytest.MonkeyPatch
):
    """It said one line at first; for half a minute of a busy machine it seemed to hang."""
    viewer = Answered(run.spool, "lab")
    viewer.open()
    waits = "2 clips wait: 2 for messages to show the result"

    def show(state: str) -> None:
        notified.append(state)
        if notified.count(f"STATUS={waits}") == 3:
            for key in cloud.keys:
                viewer.add(ClipKey.parse(key).clip_id)

    monkeypatch.setattr(camera, "notify", show)
    monkeypatch.setattr(camera, "LOOK_S", 0.02)
    monkeypatch.setattr(camera, "PROGRESS_S", 0.0)
    try:
        assert run("--count", "2", "--drain-timeout", "3600") == 0
    finally:
        viewer.close()
    assert run.out.count(f"Recording has ended; {waits} (Ctrl-C ") >= 3
    assert run.out.splitlines()[-1].startswith("Recorded 2 clips, uploaded 2, waiting 0")


def test_programs_are_told_what_it_waits_for_too(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(camera, "LOOK_S", 0.05)
    cloud.down()
    assert run("--count", "2", "--json", "--drain-timeout", "0.4") == 1
    (told,) = run.of("draining")
    assert (told["waiting"], told["awaiting_answer"]) == (2, 0)


def test_ctrl_c_ends_the_recording_and_is_not_kept_waiting_for_an_hour(
    cloud: FakeCloud, run: Run, stop: Event, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(camera, "DRAIN_AFTER_SIGNAL_S", 0.2)
    monkeypatch.setattr(camera, "notify", lambda state: "WATCHDOG" in state and stop.set())
    cloud.down()
    assert run("--json", "--loop", "--drain-timeout", "3600") == 1
    assert run.of("summary")[0]["recorded"] == 1


def test_a_clip_that_nobody_shows_is_kept_but_not_waited_for(cloud: FakeCloud, run: Run):
    assert run("--count", "2", "--json", "--drain-timeout", "3600") == 0
    counts = run.of("summary")[0]
    assert (counts["uploaded"], counts["awaiting_answer"]) == (2, 2)
    assert len(run.clips()) == 2


def test_where_somebody_shows_results_it_waits_for_them(cloud: FakeCloud, run: Run):
    viewer = Answered(run.spool, "lab")
    viewer.open()

    def show(cloud: FakeCloud, stored: StoredObject) -> None:
        viewer.add(ClipKey.parse(stored.key).clip_id)

    cloud.on_put = show
    try:
        assert run("--count", "2", "--json", "--drain-timeout", "3600", "--workers", "1") == 0
    finally:
        viewer.close()
    assert run.of("summary")[0]["answered"] == 2
    assert run.clips() == []


def test_a_clip_without_a_result_is_sent_again_after_the_answer_timeout(cloud: FakeCloud, run: Run):
    viewer = Answered(run.spool, "lab")
    viewer.open()
    seen: list[str] = []

    def show_the_second(cloud: FakeCloud, stored: StoredObject) -> None:
        seen.append(stored.key)
        if len(seen) == 2:
            viewer.add(ClipKey.parse(stored.key).clip_id)

    cloud.on_put = show_the_second
    try:
        assert run("--count", "1", "--json", "--answer-timeout", "0.01") == 0
    finally:
        viewer.close()
    assert len(seen) == 2
    assert run.of("summary")[0]["resent"] == 1


def test_metrics_are_served_while_it_records_and_no_longer(
    cloud: FakeCloud, run: Run, stop: Event, monkeypatch: pytest.MonkeyPatch
):
    read = read_metrics_at("clip", monkeypatch)
    assert run("--count", "1", "--metrics-port", "0", "--no-keep-until-answered") == 0
    assert 'facelab_clips_recorded_total{device="lab"} 1' in read.pages[0]
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", read.port))


def test_no_metrics_are_served_unasked(cloud: FakeCloud, run: Run):
    assert run("--count", "1", "--json") == 0
    assert run.of("metrics") == []


class Torn:
    """A source that gives some clips and then fails."""

    def __init__(self, clips: int) -> None:
        self._clips = clips

    def clips(self, stop: Event) -> Iterator[Footage]:
        for number in range(self._clips):
            yield Footage(stream(15, seed=number), 15, number, number + 1)
        raise SourceError("the camera fell silent")


@pytest.mark.parametrize("clips", [0, 2])
def test_a_camera_that_fails_says_where_its_clips_are_before_it_says_why(
    cloud: FakeCloud, run: Run, clips: int, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def open_torn(*_: object) -> Iterator[Torn]:
        yield Torn(clips)

    monkeypatch.setattr(camera, "open_source", open_torn)
    assert run("--json") == 2
    assert run.err == "error: the camera fell silent\n"
    assert [one["recorded"] for one in run.of("summary")] == [clips] * (clips > 0)
    Spool(run.spool, "lab", 1).open()  # it was let go


def test_a_thread_that_fails_ends_the_program_and_loses_no_clip(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    write: Callable[..., None] = Spool.write
    tries: list[int] = []

    def fail_once(*arguments: object) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("a fault of ours")
        write(*arguments)

    monkeypatch.setattr(Spool, "write", fail_once)
    monkeypatch.setattr(camera, "DRAIN_AFTER_SIGNAL_S", 0.2)
    cloud.down()
    assert run("--json", "--loop") == FAULT_STATUS
    (fault,) = run.of("fault")
    assert fault["thread"] == "spool"
    assert "a fault of ours" in fault["message"]
    assert run.err.startswith("error: the spool thread failed: RuntimeError")
    assert len(run.clips()) == run.of("summary")[0]["recorded"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--device", "../x"), "device"),
        (("--source", "missing.h264"), "can't read missing.h264"),
    ],
)
def test_what_can_not_begin_is_one_line(cloud: FakeCloud, run: Run, arguments, says):
    assert run(*arguments) == 2
    assert says in run.err
    assert run.err.count("\n") == 1
    assert not run.spool.exists()


def test_the_client_is_made_before_the_first_clip_waits_for_it(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    steps: list[str] = []
    prepare, record = camera.S3Uploader.prepare, camera.record

    def note_prepare(uploader: camera.S3Uploader) -> object:
        steps.append("prepare")
        return prepare(uploader)

    def note_record(*arguments: object, **more: object) -> int:
        steps.append("record")
        return record(*arguments, **more)

    monkeypatch.setattr(camera.S3Uploader, "prepare", note_prepare)
    monkeypatch.setattr(camera, "record", note_record)
    assert run("--count", "1") == 0
    assert steps[:2] == ["prepare", "record"]


@pytest.mark.parametrize(
    ("look_s", "told_s", "first_s", "code"), [(0.1, "30", 0.1, 0), (30.0, "0.4", 0.4, 1)]
)
def test_it_waits_in_looks_and_no_longer_than_it_was_told(
    cloud: FakeCloud,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    look_s: float,
    told_s: str,
    first_s: float,
    code: int,
):
    looks: list[float] = []
    wait = camera.Outbox.wait_until_sent

    def note(outbox: camera.Outbox, timeout_s: float) -> bool:
        looks.append(timeout_s)
        if len(looks) == 3:
            cloud.up()
        return wait(outbox, timeout_s)

    monkeypatch.setattr(camera.Outbox, "wait_until_sent", note)
    monkeypatch.setattr(camera, "LOOK_S", look_s)
    cloud.down()
    assert run("--count", "1", "--drain-timeout", told_s) == code
    assert first_s - 0.3 < looks[0] <= first_s


def test_what_the_gate_holds_back_is_told_counted_and_not_sent(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    """Nothing of the device could keep an empty clip from being sent."""
    answers = iter([True, False, False, True])
    monkeypatch.setattr(camera, "look_of", lambda name: lambda clip: next(answers))
    assert run("--json", "--count", "4", "--no-keep-until-answered", "--gate", "motion") == 0
    clips = [one["clip_id"] for one in run.of("clip")]
    held_back = [(one["sequence"], one["clip_id"]) for one in run.of("held_back")]
    assert held_back == [(1, clips[1]), (2, clips[2])]
    assert {ClipKey.parse(key).clip_id for key in cloud.keys} == {clips[0], clips[3]}
    counts = run.of("summary")[0]
    assert (counts["recorded"], counts["uploaded"], counts["held_back"]) == (4, 2, 2)
    assert run.clips() == []


def test_a_gate_that_this_machine_has_no_means_for_is_a_line_before_the_first_clip(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "av", None)
    assert run("--gate", "motion") == 2
    assert "PyAV" in run.err
    assert cloud.puts == []
