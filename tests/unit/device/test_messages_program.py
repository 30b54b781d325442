"""The messages program in this process: what it shows, where it ends, what it leaves behind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from device import messages
from device.answered import Answered
from device.crew import FAULT_STATUS
from device.inbox import Message, Poller
from tests.fakes.cloud import FakeCloud
from tests.fakes.metrics_reader import read_metrics_at
from tests.fakes.results import ADA, face, result


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    with FakeCloud() as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("FACELAB_TRACES", raising=False)
        monkeypatch.delenv("FACELAB_DEVICE_ID", raising=False)
        cloud.queues[queue()] = []
        yield cloud
        # A poll that is left behind ends when it brings something, and prints nothing then.
        for name in cloud.queues:
            cloud.send(name, "the end")
        for thread in threading.enumerate():
            if thread.name == "poll":
                thread.join(10)


@pytest.fixture(autouse=True)
def _no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run has its own end, which no signal sets."""
    monkeypatch.setattr(messages, "stop_on_signals", Event)


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(messages, "notify", told.append)
    return told


def queue(device: str = "lab") -> str:
    return f"facelab-results-{device}"


class Run:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.spool = folder
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        status = messages.main(["--spool", str(self.spool), *arguments])
        self.out, self.err = self._capsys.readouterr()
        return status

    def of(self, event: str) -> list[dict]:
        return [one for one in map(json.loads, self.out.splitlines()) if one["event"] == event]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path / "spool", capsys)


def test_so_many_results_are_shown_and_deleted_and_the_others_stay(
    cloud: FakeCloud, run: Run, notified: list[str]
):
    for clip in ("a", "b", "c"):
        cloud.send(queue(), result(clip, face(ADA, ADA)).to_json())
    assert run("--json", "--count", "2") == 0
    assert run.of("start") == [{"event": "start", "devices": ["lab"]}]
    assert [one["clip_id"] for one in run.of("result")] == ["a", "b"]
    assert run.of("summary")[0]["count"] == 2
    (left,) = cloud.queues[queue()]
    assert '"clip_id":"c"' in left.body
    assert left.visible_at <= time.monotonic(), "the next viewer gets it at once"
    assert notified[0] == "READY=1"
    assert notified[-1] == "STOPPING=1"
    assert {*notified[1:-1]} == {"WATCHDOG=1"}
    spans = (run.spool / "lab" / "spans.messages.jsonl").read_text().splitlines()
    names = [(one["clip_id"], one["name"]) for one in map(json.loads, spans)]
    assert names == [(clip, name) for clip in "ab" for name in ("receive", "print")]
    assert all(0 < json.loads(line)["duration_ms"] < 60_000 for line in spans)


def test_it_ends_when_nothing_came_for_so_long(cloud: FakeCloud, run: Run):
    cloud.send(queue(), result("a").to_json())
    began = time.monotonic()
    assert run("--json", "--idle-timeout", "0.3") == 0
    assert time.monotonic() - began >= 0.3
    assert len(run.of("result")) == 1


def test_a_result_begins_the_idle_time_anew():
    class Viewer:
        last_shown = time.monotonic()

    waits: list[float] = []

    class Stop(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            if len(waits) == 1:
                Viewer.last_shown += 1000  # a result came meanwhile
            else:
                self.set()
            return self.is_set()

    messages._wait(Stop(), Viewer(), 10.0)
    first, second = waits
    assert 0 < first <= 10
    assert 1000 < second <= 1010
    messages._wait(Event(), Viewer(), -2000.0)  # long over


def test_everything_printed_is_in_the_log_too_which_is_private_and_goes_on(
    cloud: FakeCloud, run: Run, tmp_path: Path
):
    log = tmp_path / "results.log"
    log.write_text("yesterday\n")
    cloud.send(queue(), result("a", face(ADA, ADA)).to_json())
    assert run("--count", "1", "--log", str(log)) == 0
    assert "Ada Lovelace" in run.out
    assert run.out.startswith("Receiving SQS messages...\n")
    assert log.read_text() == f"yesterday\n{run.out}"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_can_not_be_written_is_one_line_before_anything_begins(run: Run, tmp_path: Path):
    assert run("--log", str(tmp_path / "missing" / "log")) == 2
    assert run.err.startswith(f"error: can't write the log {tmp_path}/missing/log: No such file")
    assert run.out == ""


def test_a_log_on_a_full_disk_is_one_line_and_no_traceback_at_the_end(cloud: FakeCloud, run: Run):
    cloud.send(queue(), result("a", face(ADA, ADA)).to_json())
    assert run("--count", "1", "--log", "/dev/full") == 0
    assert "Ada Lovelace" in run.out
    assert run.err.splitlines() == ["error: can't write /dev/full: No space left on device"]


def test_several_devices_are_told_apart_and_each_is_polled_once(cloud: FakeCloud, run: Run):
    for device in ("pi-01", "pi-02"):
        cloud.send(queue(device), result(f"of-{device}", device_id=device).to_json())
    devices = ("--device", "pi-01", "--device", "pi-02", "--device", "pi-01")
    assert run(*devices, "--count", "2") == 0
    before = dict(zip(run.out.splitlines()[1:], run.out.splitlines(), strict=False))
    named = {line: before[line] for line in before if line.startswith("Device ")}
    assert named == {"Device pi-01": "-" * 40, "Device pi-02": "-" * 40}
    cloud.send(queue("pi-01"), result("again", device_id="pi-01").to_json())
    assert run("--device", "pi-01", "--count", "1") == 0
    assert "1 results" in run.out
    assert "Device " not in run.out


def test_metrics_count_what_was_shown(cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch):
    read = read_metrics_at("result", monkeypatch)
    cloud.send(queue(), result("a").to_json())
    assert run("--count", "1", "--metrics-port", "0") == 0
    assert "facelab_results_shown_total 1" in read.pages[0]


def test_a_second_viewer_of_one_device_is_one_line(cloud: FakeCloud, run: Run):
    first = Answered(run.spool, "lab")
    first.open()
    assert run() == 2
    first.close()
    assert "another messages process" in run.err


def test_a_device_that_can_be_none_is_one_line(run: Run):
    assert run("--device", "../x") == 2
    assert run.err.count("\n") == 1


def test_a_poller_that_fails_ends_the_program_with_a_status_of_its_own(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> float:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Poller, "poll_once", fail)
    assert run("--json") == FAULT_STATUS
    (fault,) = run.of("fault")
    assert (fault["thread"], "a fault of ours" in fault["message"]) == ("poll", True)
    assert run.err.startswith("error: the poll thread failed")


def test_a_queue_that_is_away_is_told_and_found_again(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    del cloud.queues[queue()]
    trouble = messages.Viewer.trouble

    def come_back(viewer: messages.Viewer, device_id: str, problem: object) -> None:
        trouble(viewer, device_id, problem)
        if problem is not None:
            cloud.send(queue(), result("late").to_json())

    monkeypatch.setattr(messages.Viewer, "trouble", come_back)
    assert run("--json", "--count", "1") == 0
    assert [(one["state"], one["device_id"]) for one in run.of("link")] == [
        ("closed", "lab"), ("open", "lab"),
    ]  # fmt: skip


def test_what_a_full_disk_did_not_take_is_written_with_the_next_poll(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    saved: list[str] = []
    monkeypatch.setattr(
        messages.Viewer, "save", lambda viewer, shelf: saved.append(shelf.device_id)
    )
    cloud.send(queue(), result("a").to_json())
    assert run("--count", "1") == 0
    assert "lab" in saved


def test_what_is_begun_is_told_to_end(cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch):
    ends: list[Event] = []

    def end() -> Event:
        ends.append(Event())
        return ends[-1]

    monkeypatch.setattr(messages, "stop_on_signals", end)
    assert run("--idle-timeout", "0.01") == 0
    assert [one.is_set() for one in ends] == [True]


def test_it_ends_once_what_was_shown_is_deleted(
    cloud: FakeCloud, run: Run, monkeypatch: pytest.MonkeyPatch
):
    ends = Event()
    delete, finish = messages.SqsQueue.delete, Poller.finish

    def slow_delete(self: messages.SqsQueue, shown: list[Message]) -> list[Message]:
        assert ends.wait(10)
        return delete(self, shown)

    def finish_and_say(self: Poller) -> None:
        ends.set()
        finish(self)

    monkeypatch.setattr(messages.SqsQueue, "delete", slow_delete)
    monkeypatch.setattr(Poller, "finish", finish_and_say)
    cloud.send(queue(), result("a").to_json())
    try:
        assert run("--count", "1") == 0
        assert cloud.queues[queue()] == []
    finally:
        ends.set()
