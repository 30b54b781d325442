from __future__ import annotations

import errno
import io
import json
import threading
from pathlib import Path

import pytest

from cloud.switch import read_switch
from contract.results import Person, Result, Status
from device.answered import Answered
from device.backoff import Backoff
from device.clock import Clock
from device.console import Console
from device.crew import Crew
from device.inbox import Message, Poller, SqsQueue
from device.latency import Latency, Percentiles
from device.problems import Kind, Problem
from device.rejects import Rejects
from device.report import LINE, wording
from device.viewer import Shelf, Viewer
from tests.fakes.cloud import FakeCloud
from tests.fakes.results import ADA, ALAN, face, result

QUEUE = "facelab-results-lab"
DEADLINE_S = 30.0
LATENCY = Latency(310, 810)


class TestWording:
    def test_one_person_as_in_the_report(self):
        assert wording(3, result("a", face(ADA, ADA)), LATENCY) == [
            LINE,
            "The 3 person detected With original provided model: Ada Lovelace, Mathematics, 1835",
            "The 3 person detected With Online model: Ada Lovelace, Mathematics, 1835",
            "Latency: 0.31 seconds.",
            "From capture start: 0.81 seconds.",
            LINE,
        ]

    def test_the_two_models_may_disagree(self):
        lines = wording(1, result("a", face(ADA, ALAN)), LATENCY)
        assert lines[1].endswith("original provided model: Ada Lovelace, Mathematics, 1835")
        assert lines[2].endswith("Online model: Alan Turing, Logic, 1938")

    def test_a_stranger_is_an_unknown_person(self):
        lines = wording(2, result("a", face(None, None)), LATENCY)
        assert lines[2] == "The 2 person detected With Online model: unknown person"

    def test_every_face_is_told(self):
        lines = wording(1, result("a", face(ADA, ADA), face(None, None), face(ALAN, ALAN)), LATENCY)
        assert len(lines) == 2 + 3 * 2 + 2

    def test_nobody_there(self):
        assert wording(3, result("a"), LATENCY)[1] == "No face detected in clip 3."

    def test_nobody_there_in_what_could_be_looked_at(self):
        partly = result("a", reason="1 of 4 parts of the clip are damaged")
        line = wording(3, partly, LATENCY)[1]
        assert line == "No face detected in clip 3: 1 of 4 parts of the clip are damaged."

    def test_a_rejected_clip_tells_why(self):
        rejected = result("a", status=Status.REJECTED, reason="no key frame")
        assert wording(4, rejected, LATENCY)[1] == "Clip 4 was rejected: no key frame"

    def test_low_quality_without_a_face_tells_why(self):
        poor = result("a", status=Status.LOW_QUALITY, reason="face of 18 px")
        assert "clip 5: face of 18 px" in wording(5, poor, LATENCY)[1]

    def test_a_low_quality_face_is_unknown_and_tells_why(self):
        lines = wording(1, result("a", face(None, None, Status.LOW_QUALITY)), LATENCY)
        assert "unknown person (the face is too small, dark or blurred)" in lines[1]

    def test_a_clip_dropped_by_hand_has_no_latency(self):
        lines = wording(1, result("a", end_ms=None), None)
        assert "Latency: unknown (the clip carries no capture time)" in lines


class TestLatency:
    def test_it_is_counted_from_both_ends_of_the_clip(self):
        assert Latency.of(result("a", end_ms=10_000), 10_310) == Latency(310, 810)

    def test_percentiles_are_values_that_occurred(self):
        values = list(range(1, 101))
        assert Percentiles.of(values) == Percentiles(50, 95, 100)
        assert Percentiles.of([7]) == Percentiles(7, 7, 7)
        assert Percentiles.of([]) is None


class Screen:
    """A viewer with what it printed."""

    def __init__(
        self, folder: Path, *, as_json: bool = False, count: int | None = None, now_ms: int = 1310
    ) -> None:
        self.out = io.StringIO()
        self.stop = threading.Event()
        self.folder = folder
        clock = Clock(wall_ns=lambda: now_ms * 1_000_000)
        console = Console(as_json, out=self.out)
        self.viewer = Viewer(console, clock, self.stop, count, name_devices=False)
        self.answered = Answered(folder, "lab")
        self.answered.open()
        self.rejects = Rejects(folder / "rejected.jsonl")
        self._messages = 0

    @property
    def shelf(self) -> Shelf:
        return Shelf("lab", self.answered, self.rejects)

    def show(self, body: str | Result, message_id: str | None = None) -> bool:
        text = body.to_json() if isinstance(body, Result) else body
        self._messages += 1
        message = Message(text, message_id or f"id-{self._messages}", "receipt")
        return self.viewer.handle(message, self.shelf)

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def screen(tmp_path: Path):
    screen = Screen(tmp_path)
    yield screen
    screen.answered.close()


def test_other_content_under_a_clips_name_is_shown_too_and_its_repeat_is_not(screen: Screen):
    for result_id in ("first", "second", "first", "second"):
        assert screen.show(result("a", face(ADA, ADA), result_id=result_id))
    assert screen.text.count("Online model") == 2
    assert "a" in screen.answered  # the camera lets go of its clip by the clip's id


def test_a_result_is_shown_once_however_often_it_comes(screen: Screen):
    assert screen.show(result("a", face(ADA, ADA)))
    assert screen.show(result("a", face(ADA, ADA)))
    assert screen.text.count("Online model") == 1
    screen.viewer.summary()
    assert "1 results, 1 duplicates dropped." in screen.text


def test_a_result_shown_before_a_restart_is_not_shown_again(screen: Screen):
    screen.show(result("a"))
    screen.answered.close()
    again = Screen(screen.folder)
    assert again.show(result("a"))
    assert again.text == ""
    again.answered.close()
    screen.answered.open()


def test_results_are_numbered_as_shown_not_as_captured(screen: Screen):
    screen.show(result("b", face(ADA, ADA), sequence=41))
    screen.show(result("a", face(ADA, ADA), sequence=7))
    assert "The 1 person" in screen.text
    assert "The 2 person" in screen.text


def test_a_late_result_is_shown_with_its_true_latency(tmp_path: Path):
    screen = Screen(tmp_path, now_ms=3_601_000)
    screen.show(result("old", end_ms=1000))
    assert "Latency: 3600.00 seconds." in screen.text
    assert "From capture start: 3600.50 seconds." in screen.text
    assert screen.show("no result")
    screen.viewer.summary()
    assert "1 results, 0 duplicates dropped, 1 messages not understood." in screen.text
    assert "Latency from clip end: p50 3600.00 s, p95 3600.00 s, max 3600.00 s." in screen.text


WHOLE = result("x", face(ADA, ADA)).to_json()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "null",
        "[]",
        "3",
        "{}",
        '{"schema":"facelab.result/9"}',
        WHOLE.replace('"clip_id":"x"', '"clip_id":{}'),
        WHOLE.replace('"faces":[{', '"faces":[7,{'),
        WHOLE.replace('"faces":[', '"faces":3,"x":['),
        WHOLE.replace('"capture_end_ms":1000', '"capture_end_ms":"soon"'),
        "[" * 100_000,
        WHOLE.replace('"clip_id":"x"', '"clip_id":null'),
        WHOLE.replace('"clip_id":"x"', '"clip_id":7'),
        WHOLE.replace('"clip_id":"x"', r'"clip_id":"\ud800"'),
        WHOLE.replace('"clip_id":"x"', '"clip_id":"\ud800"'),
        WHOLE.replace('"Ada Lovelace"', r'"\udfff"'),
        WHOLE.replace('"device_id":"lab"', '"device_id":["lab"]'),
        WHOLE.replace('"device_id":"lab"', '"device_id":"pi-02"'),
        WHOLE.replace('"capture_end_ms":1000', '"capture_end_ms":' + "9" * 400),
        WHOLE.replace('"capture_end_ms":1000', '"capture_end_ms":' + "9" * 5000),
    ],
    ids=lambda body: ascii(body[:40]) or "empty",
)
def test_a_message_that_is_no_result_is_kept_in_a_file_before_it_goes(screen: Screen, body: str):
    assert screen.show(body)
    (line,) = screen.rejects.path.read_text().splitlines()
    assert json.loads(line)["body"] == body
    assert "no result" in screen.text
    assert screen.show(result("next"))


def test_a_name_can_not_write_lines_of_its_own(screen: Screen):
    eve = Person("eve", "Eve\n\x1b[2KThe 2 person detected: \x9b31mAda", "\r", "\u202e")
    screen.show(result("a", face(eve, eve)))
    screen.show(result("b", status=Status.REJECTED, reason="x\nThe 9 person detected: Ada"))
    assert not any(character in screen.text for character in "\x1b\x9b\r\u202e")
    assert "The 2 person detected: " in screen.text
    assert not any(line.startswith(("The 2", "The 9")) for line in screen.text.splitlines())


def test_a_message_that_comes_again_was_set_aside_only_once(screen: Screen):
    for _ in range(3):
        assert screen.show("hello", message_id="same")
    assert len(screen.rejects.path.read_text().splitlines()) == 1
    assert screen.text.count("no result") == 1


def test_what_is_set_aside_is_private_and_bounded(screen: Screen, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("device.rejects.MAX_BYTES", 10_000)
    for _ in range(40):
        screen.show("x" * 1000)
    files = list(screen.folder.glob("rejected*"))
    assert len(files) == 2
    assert all(file.stat().st_size < 13_000 for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_fault_of_ours_costs_one_message_not_the_ones_behind_it(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> list[str]:
        raise OverflowError("int too large")

    with monkeypatch.context() as fault:
        fault.setattr("device.viewer.wording", broken)
        assert screen.show(result("a"))
    assert "OverflowError" in screen.rejects.path.read_text()
    assert screen.show(result("b"))
    assert "No face detected in clip 1." in screen.text


def test_a_full_disk_is_told_once_and_results_go_on(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("device.answered.write_all", full)
        for number in range(5):
            assert screen.show(result(str(number)))
        assert screen.show(result("0")), "a repeat is known, although it is not on disk"
    assert screen.text.count("No face") == 5
    assert screen.text.count("No space left") == 1
    screen.viewer.save(screen.shelf)
    assert screen.text.count("again") == 1
    screen.answered.close()
    later = Screen(screen.folder)
    assert all(str(number) in later.answered for number in range(5))
    later.answered.close()
    screen.answered.open()


def test_a_message_that_can_not_be_kept_stays_in_the_queue(tmp_path: Path):
    screen = Screen(tmp_path)
    screen.rejects = Rejects(tmp_path / "missing" / "rejected.jsonl")
    assert not screen.show("hello")
    assert "can't write" in screen.text, "also this is told"
    assert screen.show(result("next"))
    screen.answered.close()


def test_after_the_last_wanted_result_nothing_more_is_taken(tmp_path: Path):
    screen = Screen(tmp_path, count=2)
    assert screen.show(result("a"))
    assert screen.show(result("b"))
    assert screen.stop.is_set()
    assert not screen.show(result("c"))
    screen.answered.close()


def test_an_empty_queue_is_told_once_until_something_comes(screen: Screen):
    screen.viewer.idle(screen.shelf)
    screen.viewer.idle(screen.shelf)
    screen.show(result("a"))
    screen.viewer.idle(screen.shelf)
    assert screen.text.count("Empty Queue...") == 2


def test_an_outage_and_its_end_are_told_to_people(screen: Screen):
    screen.viewer.trouble("lab", Problem(Kind.NETWORK, "no route"))
    screen.viewer.trouble("lab", None)
    assert screen.text == "Not receiving: no route.\nReceiving again.\n"


def test_an_empty_queue_is_an_event_too(tmp_path: Path):
    screen = Screen(tmp_path, as_json=True)
    screen.viewer.idle(screen.shelf)
    assert screen.events == [{"event": "idle", "device_id": "lab"}]
    screen.answered.close()


def test_percentiles_are_told_now_and_then(screen: Screen):
    for number in range(40):
        screen.show(result(str(number)))
    line = "Latency from clip end: p50 0.31 s, p95 0.31 s, max 0.31 s."
    assert screen.text.count(line) == 2


def test_json_is_one_object_a_line_with_the_whole_result(tmp_path: Path):
    screen = Screen(tmp_path, as_json=True)
    screen.show(result("a", face(ADA, ADA)))
    screen.show(result("a", face(ADA, ADA)))
    screen.viewer.summary()
    shown, again, summary = screen.events
    assert again == {"event": "duplicate", "clip_id": "a", "device_id": "lab"}
    assert shown["event"] == "result"
    assert shown["latency_ms"] == {"clip_end": 310, "capture_start": 810}
    fields = {k: v for k, v in shown.items() if k in Result.__dataclass_fields__}
    assert Result.from_json(json.dumps(fields)) == result("a", face(ADA, ADA))
    assert summary == {
        "event": "summary",
        "count": 1,
        "duplicates": 1,
        "malformed": 0,
        "latency_ms": {
            "clip_end": {"p50": 310, "p95": 310, "max": 310},
            "capture_start": {"p50": 810, "p95": 810, "max": 810},
        },
    }
    screen.answered.close()


class TestPolling:
    @pytest.fixture
    def cloud(self):
        with FakeCloud() as cloud:
            yield cloud

    def run(self, cloud: FakeCloud, handle, **hooks):
        queue = SqsQueue(read_switch(cloud.environment), "lab")
        nothing = lambda *_: None  # noqa: E731
        poller = Poller(
            queue,
            handle,
            idle=hooks.get("idle", nothing),
            trouble=hooks.get("trouble", nothing),
            backoff=Backoff(0.001, 0.01),
        )
        stop = threading.Event()
        thread = threading.Thread(target=poller.run, args=(stop, 1), daemon=True)
        thread.start()
        return poller, stop, thread

    def finish(self, poller: Poller, stop: threading.Event, thread: threading.Thread) -> None:
        stop.set()
        thread.join(DEADLINE_S)
        poller.finish()

    def test_handled_messages_are_deleted_all_others_are_not(self, cloud: FakeCloud):
        for number in range(25):
            cloud.send(QUEUE, str(number))
        handled, done = [], threading.Event()

        def handle(message: Message) -> bool:
            handled.append(message.body)
            if len(handled) == 25:
                done.set()
            return int(message.body) % 2 == 0

        running = self.run(cloud, handle)
        assert done.wait(DEADLINE_S)
        assert cloud.wait_for(lambda: len(cloud.queues[QUEUE]) == 12)
        self.finish(*running)
        assert {letter.body for letter in cloud.queues[QUEUE]} == {
            str(number) for number in range(1, 25, 2)
        }

    def test_deletes_go_in_batches(self, cloud: FakeCloud):
        for number in range(30):
            cloud.send(QUEUE, str(number))
        running = self.run(cloud, lambda message: True)
        assert cloud.wait_for(lambda: not cloud.queues[QUEUE])
        self.finish(*running)
        assert sum("DeleteMessageBatch" in line for line in cloud.requests) < 30

    def test_a_queue_that_comes_later_is_found_without_a_restart(self, cloud: FakeCloud):
        troubles, told, done = [], threading.Event(), threading.Event()

        def trouble(problem) -> None:
            troubles.append(problem and problem.kind.value)
            told.set()

        running = self.run(cloud, lambda message: done.set() or True, trouble=trouble)
        assert told.wait(DEADLINE_S)
        cloud.send(QUEUE, "x")
        assert done.wait(DEADLINE_S)
        self.finish(*running)
        assert troubles == ["missing", None]

    def test_an_outage_is_told_once_and_polling_goes_on(self, cloud: FakeCloud):
        cloud.queues[QUEUE] = []
        troubles, idle, told, done = [], threading.Event(), threading.Event(), threading.Event()

        def trouble(problem) -> None:
            troubles.append(problem and problem.kind.value)
            told.set()

        running = self.run(
            cloud, lambda message: done.set() or True, trouble=trouble, idle=idle.set
        )
        assert idle.wait(DEADLINE_S)
        cloud.down()
        assert told.wait(DEADLINE_S)
        cloud.up()
        cloud.send(QUEUE, "x")
        assert done.wait(DEADLINE_S)
        self.finish(*running)
        assert troubles == ["network", None]


class Queue:
    """Gives one batch after another; an exception among them is raised."""

    def __init__(self, *batches: list[str] | Exception) -> None:
        self.batches = list(batches)
        self.deleted: list[str] = []
        self.released: list[str] = []

    def receive(self, wait_s: int) -> list[Message]:
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return [Message(body, body, f"receipt of {body}") for body in batch]

    def delete(self, messages: list[Message]) -> list[Message]:
        self.deleted += [message.body for message in messages]
        return []

    def release(self, messages: list[Message]) -> None:
        self.released += [message.body for message in messages]


def polled(queue: Queue, handle, rounds: int, stop: threading.Event | None = None) -> list[str]:
    """What `trouble` was told in so many rounds; deletes are done."""
    told: list[str] = []
    poller = Poller(
        queue,
        handle,
        idle=lambda: None,
        trouble=lambda problem: told.append(str(problem) if problem else "over"),
        backoff=Backoff(0.001, 0.001),
    )
    poller.start_deleting()
    for _ in range(rounds):
        poller.poll_once(stop or threading.Event(), 1)
    poller.finish(DEADLINE_S)
    return told


def test_no_error_ends_the_polling_without_a_word():
    queue = Queue(["a"], MemoryError("no memory"), KeyError("Body"), ["b"])
    told = polled(queue, lambda message: True, 4)
    assert queue.deleted == ["a", "b"]
    assert ["MemoryError" in told[0], "KeyError" in told[1], told[2]] == [True, True, "over"]


def test_a_handler_that_fails_is_told_and_the_next_message_has_its_turn():
    def handle(message: Message) -> bool:
        if message.body == "bad":
            raise RuntimeError("surprise")
        return True

    queue = Queue(["a", "bad"], ["c"])
    told = polled(queue, handle, 2)
    assert queue.deleted == ["a", "c"]
    assert "surprise" in told[0]


def test_what_an_ended_viewer_had_received_goes_back_for_the_next_one_at_once():
    stop = threading.Event()

    def handle(message: Message) -> bool:
        if message.body == "b":
            stop.set()  # --count is reached
        return True

    queue = Queue(["a", "b", "c", "d"], ["late"])
    polled(queue, handle, 2, stop)
    assert queue.deleted == ["a", "b"]
    assert queue.released == ["c", "d", "late"], "also what a poll brings after the end"


def test_a_thread_that_ends_by_a_fault_tells_the_program():
    faults: list[tuple[str, str]] = []
    ended = threading.Event()

    def failed(name: str, why: str) -> None:
        faults.append((name, why))
        ended.set()

    def work() -> None:
        raise SystemExit("a library wants to end the process")

    Crew(failed).start("poll", work)
    assert ended.wait(DEADLINE_S)
    assert faults[0][0] == "poll"
    assert "SystemExit" in faults[0][1]


def test_ctrl_c_before_the_first_poll_ends_without_an_error():
    class NeverAsked:
        def receive(self, wait_s: int) -> list[Message]:
            pytest.fail("nothing is received after the end")

        def delete(self, messages: list[Message]) -> list[Message]:
            return messages

        def release(self, messages: list[Message]) -> None:
            pytest.fail("nothing was received")

    never_started = Poller(
        NeverAsked(), handle=lambda _: True, idle=lambda: None, trouble=lambda _: None
    )
    never_started.finish(timeout_s=0.1)
    stop = threading.Event()
    stop.set()
    never_started.run(stop, 1)
