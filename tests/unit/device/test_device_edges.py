"""Small things at their edges: what a device leaves behind, writes twice, or says of itself."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from pathlib import Path

import pytest

from cloud.traces import traces_folder
from device import spooled
from device.answered import FILE_NAME, LOCK_NAME, AlreadyReading, Answered, AnsweredReader
from device.answered import _take as take_lock
from device.clock import Clock
from device.console import Console
from device.crew import FAULT_STATUS
from device.disk_writer import DiskWriter
from device.inbox import Message
from device.latency import Latencies, Latency, Percentiles
from device.metrics import Histogram, exposition
from device.outbox import KeepUntilAnswered, Outbox
from device.rejects import Rejects
from device.sources import SourceError, SourceOptions, open_source
from device.sources.base import foreign
from device.sources.fixture import FixtureSource
from device.spans import SpanFile
from device.spool import RETRY_NAME, Spool
from device.underway import Entry, Underway
from device.viewer import Shelf, Viewer
from tests.fakes.h264 import stream
from tests.fakes.outbox_bench import Bench, clip
from tests.fakes.results import result


def opened(folder: Path, keep: int = 5) -> Answered:
    answered = Answered(folder, "lab", keep)
    answered.open()
    return answered


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestAnswered:
    def test_what_a_killed_compaction_left_is_not_taken_over(self, tmp_path):
        answered = opened(tmp_path, keep=2)
        answered.path.with_name(FILE_NAME + ".part").write_text('"of a dead run"\n' * 100)
        for one in "abcdefg":
            answered.add(one)
        answered.close()
        assert set(AnsweredReader(answered.path).new_ids()) <= set("abcdefg")
        assert not answered.path.with_name(FILE_NAME + ".part").exists()

    def test_a_compacted_file_is_added_to_at_its_end(self, tmp_path, monkeypatch):
        answered = opened(tmp_path, keep=2)
        for one in "abcde":  # more than twice as many
            answered.add(one)
        assert answered.path.read_text() == '"d"\n"e"\n'

        def full(descriptor: int, data: bytes) -> None:
            os.write(descriptor, b"torn")
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr("device.answered.write_all", full)
            with pytest.raises(Exception, match="No space"):
                answered.add("f")
        answered.add("g")
        assert answered.path.read_text() == '"d"\n"e"\n"f"\n"g"\n'
        answered.close()

    def test_twice_as_many_as_are_kept_are_written_before_it_is_compacted(self, tmp_path):
        answered = opened(tmp_path, keep=2)
        answered.add(*"abcd")
        assert answered.path.read_text().count("\n") == 4
        answered.close()

    def test_a_compaction_that_fails_leaves_the_old_file_and_nothing_open(
        self, tmp_path, monkeypatch
    ):
        answered = opened(tmp_path, keep=2)
        answered.add(*"abcd")

        def broken(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        before = open_files()
        with monkeypatch.context() as disk:
            disk.setattr(Path, "replace", broken)
            with pytest.raises(Exception, match="Input/output"):
                answered.add("e")
        assert open_files() == before
        assert not answered.path.with_name(FILE_NAME + ".part").exists()
        assert answered.path.read_text().count("\n") == 5
        answered.add("f")
        answered.close()
        assert AnsweredReader(answered.path).new_ids() == ["e", "f"]

    def test_a_result_and_its_clip_of_one_id_are_one_line(self, tmp_path):
        answered = opened(tmp_path)
        answered.add("a", "a")
        answered.add("a", "b")
        answered.close()
        assert AnsweredReader(answered.path).new_ids() == ["a", "a", "b"]

    def test_a_look_whether_somebody_shows_results_leaves_nothing_open_or_locked(self, tmp_path):
        opened(tmp_path).close()
        reader = AnsweredReader(tmp_path / "lab" / FILE_NAME)
        before = open_files()
        assert [reader.viewer_is_running() for _ in range(3)] == [False] * 3
        assert open_files() == before
        answered = opened(tmp_path)
        assert reader.viewer_is_running()
        answered.close()
        assert open_files() == before

    def test_one_that_looks_for_an_instant_is_waited_for_and_another_viewer_is_not(
        self, tmp_path, monkeypatch
    ):
        first = opened(tmp_path)
        pauses: list[float] = []
        monkeypatch.setattr("device.answered.time.sleep", pauses.append)
        with pytest.raises(AlreadyReading):
            opened(tmp_path)
        assert len(pauses) == 5
        first.close()
        lock = os.open(tmp_path / "lab" / LOCK_NAME, os.O_RDWR)
        pauses.clear()
        take_lock(lock)
        assert pauses == []
        os.close(lock)

    def test_an_old_line_is_an_id_and_a_torn_one_is_none(self, tmp_path):
        path = tmp_path / "answered"
        path.write_bytes(b'plain\n"quoted"\n"torn\n\n"last"\n')
        assert AnsweredReader(path).new_ids() == ["plain", "quoted", "last"]

    def test_a_file_that_became_shorter_is_read_from_its_begin(self, tmp_path):
        path = tmp_path / "answered"
        path.write_text('"a"\n"b"\n')
        reader = AnsweredReader(path)
        assert reader.new_ids() == ["a", "b"]
        with path.open("r+") as file:
            file.truncate(0)
            file.write('"c"\n')
        assert reader.new_ids() == ["c"]

    def test_closed_twice_is_closed(self, tmp_path):
        answered = opened(tmp_path)
        answered.close()
        answered.close()
        Answered(tmp_path, "lab").close()


def test_what_waits_for_its_result_after_a_restart_is_not_sent_again(bench: Bench):
    answered = opened(bench.folder)
    keep = KeepUntilAnswered(AnsweredReader(answered.path), 1000.0)
    first = bench.outbox(keep=keep)
    ids = bench.accept(first, 2)
    bench.told.wait_for("uploaded", 2)
    bench.told.wait_for("stored", 2)
    first.close()
    second = bench.outbox(keep=keep)
    assert second.wait_until_sent(0)
    counts = second.counts()
    assert (counts.awaiting_answer, counts.waiting, counts.recovered) == (2, 0, 0)
    second.close()
    assert sorted(bench.store.taken) == ids
    answered.close()


def test_whoever_waits_for_a_clip_s_files_is_woken_when_they_are_let_go_of(tmp_path):
    underway = Underway(lambda event, fields: None)
    spool = Spool(tmp_path, "lab", 10**6)
    spool.open()
    writer = DiskWriter(spool, underway, keep=False, memory_bytes=10**6)
    entry = Entry(clip(1, b"data"), b"data", disk_busy=True)
    waiting, woken = threading.Event(), threading.Event()

    def wait() -> None:
        with underway.changed:
            waiting.set()
            if underway.changed.wait_for(lambda: not entry.disk_busy, 30):
                woken.set()

    threading.Thread(target=wait, daemon=True).start()
    assert waiting.wait(10)
    writer.let_go(entry)
    assert woken.wait(10)
    spool.close()


class TestRejects:
    def message(self, number: int) -> Message:
        return Message("x" * 100, f"id {number}", "receipt")

    def test_a_file_may_be_as_large_as_it_may_and_then_another_begins(self, tmp_path, monkeypatch):
        rejects = Rejects(tmp_path / "rejected.jsonl")
        assert rejects.keep(self.message(1), "no result")
        monkeypatch.setattr("device.rejects.MAX_BYTES", rejects.path.stat().st_size)
        rejects.keep(self.message(2), "no result")
        assert not (tmp_path / "rejected.jsonl.1").exists()
        rejects.keep(self.message(3), "no result")
        assert len((tmp_path / "rejected.jsonl.1").read_text().splitlines()) == 2
        (line,) = rejects.path.read_text().splitlines()
        assert json.loads(line) == {
            "message_id": "id 3", "reason": "no result", "body": "x" * 100,
        }  # fmt: skip

    def test_so_many_are_remembered_and_the_oldest_forgotten(self, tmp_path, monkeypatch):
        monkeypatch.setattr("device.rejects.REMEMBERED", 2)
        rejects = Rejects(tmp_path / "rejected.jsonl")
        assert [rejects.keep(self.message(n), "") for n in (1, 2, 2, 1)] == [
            True, True, False, False,
        ]  # fmt: skip
        assert [rejects.keep(self.message(n), "") for n in (3, 2, 1)] == [True, False, True]

    def test_half_a_line_is_taken_back_and_the_message_stays(self, tmp_path, monkeypatch):
        rejects = Rejects(tmp_path / "rejected.jsonl")
        rejects.keep(self.message(1), "")
        whole = rejects.path.read_bytes()

        def full(descriptor: int, data: bytes) -> None:
            os.write(descriptor, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        before = open_files()
        with monkeypatch.context() as disk:
            disk.setattr("device.rejects.write_all", full)
            with pytest.raises(OSError, match="No space"):
                rejects.keep(self.message(2), "")
        assert (rejects.path.read_bytes(), open_files()) == (whole, before)
        assert rejects.keep(self.message(2), "")


class TestLatency:
    def test_percentiles_are_values_that_occurred_by_nearest_rank(self):
        assert Percentiles.of([]) is None
        assert Percentiles.of([7]) == Percentiles(7, 7, 7)
        assert Percentiles.of([4, 3, 2, 1]) == Percentiles(2, 4, 4)
        assert Percentiles.of(list(range(1, 101))) == Percentiles(50, 95, 100)
        assert Percentiles.of(list(range(1, 22))) == Percentiles(11, 20, 21)

    def test_only_the_newest_are_kept(self):
        latencies = Latencies(keep=2)
        for age in (1000, 10, 20):
            latencies.add(Latency(age, age + 5))
        assert latencies.clip_end() == Percentiles(10, 20, 20)
        assert latencies.capture_start() == Percentiles(15, 25, 25)


def test_moments_are_placed_in_the_day_by_one_reading_of_both_clocks():
    readings = iter([5_000_000_000, 9_000_000_000])
    clock = Clock(wall_ns=lambda: next(readings), monotonic_ns=lambda: 1_000_000_000)
    assert clock.unix_ms(1_500_000_000, 2_001_999_999) == (5_500, 6_001)
    assert clock.now_ms() == 9_000


def test_a_boot_has_an_id_where_the_system_tells_it(monkeypatch):
    assert len(Clock().boot_id()) == 36

    def missing(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert Clock().boot_id() == ""


class TestSources:
    def film(self, folder: Path, **options: object) -> FixtureSource:
        path = folder / "film.h264"
        path.write_bytes(stream(61))
        return FixtureSource(path, SourceOptions(**options))

    def test_a_film_says_how_it_is_played(self, tmp_path):
        name = str(tmp_path / "film.h264")
        assert str(self.film(tmp_path)) == f"{name} (5 clips)"
        assert str(self.film(tmp_path, loop=True, speed=2)) == (
            f"{name} (5 clips, over and over) at 2 times its pace"
        )

    @pytest.mark.parametrize("spec", ["picamera:1000", "picamera:²", "picamera:-1"])
    def test_a_camera_s_number_has_up_to_three_digits(self, spec):
        with pytest.raises(SourceError, match="named by a number"):
            open_source(spec, SourceOptions())

    @pytest.mark.parametrize("option", [{"rotation": 180}, {"focus_m": 1.0}, {"focus_m": 0.0}])
    def test_turning_and_focusing_are_refused_for_a_file(self, tmp_path, option):
        path = tmp_path / "film.h264"
        path.write_bytes(stream(61))
        with pytest.raises(SourceError, match="are for picamera"):
            open_source(str(path), SourceOptions(**option))
        assert isinstance(open_source(str(path), SourceOptions()), FixtureSource)


class TestSpans:
    def test_where_they_go_is_said_by_the_environment_else_the_spool(self, monkeypatch):
        monkeypatch.delenv("FACELAB_TRACES", raising=False)
        assert traces_folder(Path("spool")) == Path("spool")
        monkeypatch.setenv("FACELAB_TRACES", "traces")
        assert traces_folder(Path("spool")) == Path("traces")
        monkeypatch.setenv("FACELAB_TRACES", "off")
        assert traces_folder(Path("spool")) is None

    def test_a_file_may_be_as_large_as_it_may_and_then_another_begins(self, tmp_path):
        path = tmp_path / "lab" / "spans.jsonl"
        for round_number, most in ((1, 10**6), (2, None), (3, 1)):
            spans = SpanFile(path, "camera", path.stat().st_size if most is None else most)
            spans.add(f"c{round_number}", "cut", 1.0, -5.0)
            spans.close()
        lines = path.with_name("spans.jsonl.1").read_text().splitlines()
        assert [json.loads(line)["clip_id"] for line in lines] == ["c1", "c2"]
        (last,) = path.read_text().splitlines()
        assert json.loads(last)["duration_ms"] == 0, "a clock that was set back"

    def test_off_nothing_is_begun_and_a_full_disk_costs_only_spans(self, tmp_path):
        before = threading.active_count()
        off = SpanFile(None, "camera")
        off.add("c1", "cut", 1.0, 1.0)
        off.close()
        assert threading.active_count() == before
        (tmp_path / "lab").write_text("a file where the folder should be")
        spans = SpanFile(tmp_path / "lab" / "spans.jsonl", "camera")
        spans.add("c1", "cut", 1.0, 1.0)
        spans.close()
        assert threading.active_count() == before


class TestSpooled:
    """`python -m device.spooled`."""

    def test_sizes_are_told_in_megabytes_and_bytes(self, tmp_path, capsys):
        (tmp_path / "lab" / "refused").mkdir(parents=True)
        for number in range(2):
            path = tmp_path / "lab" / "refused" / f"c{number}.h264"
            with path.open("wb") as file:
                file.truncate(3 * 2**20)
        assert spooled.main(["list", "--spool", str(tmp_path)]) == 0
        refused = next(line for line in capsys.readouterr().out.splitlines() if "refused" in line)
        assert refused.split() == ["2", "clips,", "6.0", "MB", "refused"]
        assert spooled.main(["list", "--spool", str(tmp_path), "--json"]) == 0
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {"event": "clips", "state": "refused", "clips": 2, "bytes": 6 * 2**20} in told

    def test_a_running_camera_is_asked_privately_and_that_is_an_event(self, tmp_path, capsys):
        spool = Spool(tmp_path, "lab", 10**6)
        spool.open()
        assert spooled.main(["retry", "--spool", str(tmp_path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"event": "asked", "device_id": "lab"}
        assert (spool.folder / RETRY_NAME).stat().st_mode & 0o777 == 0o600
        spool.close()

    def test_a_thread_that_fails_is_told_and_has_a_status_of_its_own(
        self, tmp_path, capsys, monkeypatch
    ):
        def fail(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        (tmp_path / "lab").mkdir()
        ended = threading.Event()
        monkeypatch.setattr(spooled, "stop_on_signals", lambda: ended)
        monkeypatch.setattr("device.answer_watch.AnswerWatch.sweep", fail)
        monkeypatch.setattr(Outbox, "wait_until_sent", lambda *_: ended.wait(10) and False)
        assert spooled.main(["retry", "--spool", str(tmp_path), "--json"]) == FAULT_STATUS
        assert "the answers thread failed: RuntimeError" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [[], ["list", "--device", "../x"], ["empty"]])
    def test_what_it_does_not_know_is_refused(self, tmp_path, capsys, arguments):
        try:
            status = spooled.main([*arguments, "--spool", str(tmp_path)])
        except SystemExit as ended:
            status = ended.code
        assert status == 2
        assert capsys.readouterr().err


def test_disks_are_told_as_events_when_they_fail_and_when_they_work_again(tmp_path):
    out = io.StringIO()
    console = Console(True, out)
    answered = opened(tmp_path)
    viewer = Viewer(console, Clock(), threading.Event(), None, name_devices=False)
    shelf = Shelf("lab", answered, Rejects(tmp_path / "missing" / "rejected.jsonl"))
    for number in range(2):
        assert not viewer.handle(Message("no result", f"id {number}", "r"), shelf)
    (tmp_path / "missing").mkdir()
    assert viewer.handle(Message("no result", "id 1", "r"), shelf)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    disks = [(one["device_id"], one["problem"]) for one in told if one["event"] == "disk"]
    path = shelf.rejects.path
    assert disks == [
        ("lab", f"can't write {path}: No such file or directory (make room)"), ("lab", None),
    ]  # fmt: skip
    assert [one["message_id"] for one in told if one["event"] == "malformed"] == ["id 1"]
    answered.close()


def test_latencies_are_counted_in_seconds():
    now_ms = 1_000_000
    clock = Clock(wall_ns=lambda: now_ms * 10**6)
    answered = type("Answered", (set,), {"add": lambda *_: None, "path": Path("x")})()
    viewer = Viewer(Console(True, io.StringIO()), clock, threading.Event(), None, False)
    shelf = Shelf("lab", answered, Rejects(Path("unused")))
    shown = result("a", end_ms=now_ms - 100_000)
    assert viewer.handle(Message(shown.to_json(), "id", "r"), shelf)
    lines = exposition(viewer.metrics())
    assert "facelab_result_latency_seconds_sum 100\n" in lines
    assert "facelab_results_shown_total 1\n" in lines


def test_sums_are_told_to_a_millionth():
    histogram = Histogram("t_seconds", "Time.")
    histogram.add(0.0000044)
    assert "t_seconds_sum 4e-06\n" in exposition([histogram])


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("no  such\nmode"), "camera: no such mode"), (ValueError(), "camera: ValueError")],
)
def test_what_a_driver_raises_is_one_line(error, said):
    with pytest.raises(SourceError, match=rf"\A{said} \(hint\)\Z"), foreign("camera", "hint"):
        raise error
