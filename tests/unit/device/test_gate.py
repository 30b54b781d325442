"""The camera's gate: what it holds back is told, and whatever it can't judge is sent."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from contract.clips import ClipKey, ClipMetadata
from device import gate as gate_module
from device.clip_record import ClipRecord
from device.crew import Failed
from device.gate import GATES, MOST_WAITING, Gate, Motion, SomeFace, look_of
from device.portraits import decoding, faces
from device.portraits.decoding import ClipUndecodable, DecoderMissing, first_picture
from tests.fakes.h264 import stream

EMPTY, SOMEBODY = b"empty", b"somebody"
SOON_S = 10.0


def clip(number: int, data: bytes = SOMEBODY) -> tuple[ClipRecord, bytes]:
    metadata = ClipMetadata(number * 500, number * 500 + 500, number)
    return ClipRecord.of(ClipKey.new("lab", number * 500, number), metadata, data), data


class Receiver:
    """An outbox that notes what comes, and can be waited for."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.held_back: list[int] = []
        self._changed = threading.Condition()

    def accept(self, record: ClipRecord, data: bytes) -> None:
        self._note(self.sent, record)

    def hold_back(self, record: ClipRecord) -> None:
        self._note(self.held_back, record)

    def _note(self, where: list[int], record: ClipRecord) -> None:
        with self._changed:
            where.append(record.metadata.sequence)
            self._changed.notify_all()

    def wait_for(self, count: int) -> bool:
        with self._changed:
            every = lambda: len(self.sent) + len(self.held_back) >= count  # noqa: E731
            return self._changed.wait_for(every, SOON_S)


class HeldLook:
    """Looks that last until they are let go."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, data: bytes) -> bool:
        self.began.set()
        assert self.go_on.wait(SOON_S)
        return data != EMPTY


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def told() -> list[tuple[str, dict]]:
    return []


@pytest.fixture
def failed() -> Iterator[Failed]:
    """A test in which the gate's thread fails unasked is none that passes."""
    failures: list[str] = []
    yield lambda thread, why: failures.append(f"{thread}: {why}")
    assert failures == []


def test_clips_with_nobody_are_held_back_and_the_others_sent(receiver, told, failed):
    gate = Gate(lambda data: data != EMPTY, receiver, lambda *one: told.append(one), failed)
    with closing(gate):
        for number, data in enumerate((SOMEBODY, EMPTY, EMPTY, SOMEBODY)):
            gate.accept(*clip(number, data))
    assert (receiver.sent, receiver.held_back, told) == ([0, 3], [1, 2], [])


def test_the_recorder_does_not_wait_for_a_look_and_a_late_gate_sends_the_oldest_unseen(
    receiver, told, failed
):
    look = HeldLook()
    gate = Gate(look, receiver, lambda *one: told.append(one), failed)
    with closing(gate):
        gate.accept(*clip(0, EMPTY))
        assert look.began.wait(SOON_S)
        for number in range(1, MOST_WAITING + 3):
            gate.accept(*clip(number, EMPTY))
        assert receiver.sent == [1, 2], "these found the gate full, while it looked at the first"
        look.go_on.set()
        assert receiver.wait_for(MOST_WAITING + 3)
    assert receiver.held_back == [0, *range(3, MOST_WAITING + 3)]
    late = {"problem": "clips come faster than it can look"}
    assert told == [("gate", late), ("gate", {"problem": None})], "said once, and once at the end"


def test_what_it_cannot_judge_is_sent_and_said_once(receiver, told, failed):
    def look(data: bytes) -> bool:
        if data == b"broken":
            raise ClipUndecodable("no picture")
        return data != EMPTY

    gate = Gate(look, receiver, lambda *one: told.append(one), failed)
    with closing(gate):
        for number, data in enumerate((b"broken", b"broken", EMPTY, b"broken")):
            gate.accept(*clip(number, data))
    assert (receiver.sent, receiver.held_back) == ([0, 1, 3], [2])
    problems = [fields["problem"] for _, fields in told]
    assert [problem and problem.partition(" at ")[0] for problem in problems] == [
        "ClipUndecodable: no picture", None, "ClipUndecodable: no picture",
    ]  # fmt: skip


def test_a_look_that_does_not_end_loses_no_clip_and_none_is_sent_twice(receiver, told, failed):
    look = HeldLook()
    gate = Gate(look, receiver, lambda *one: told.append(one), failed, close_s=0.01)
    gate.accept(*clip(0))
    assert look.began.wait(SOON_S)
    gate.accept(*clip(1))
    gate.close()
    assert receiver.sent == [0, 1]
    look.go_on.set()
    gate._thread.join(SOON_S)
    assert not gate._thread.is_alive()
    assert (receiver.sent, receiver.held_back) == ([0, 1], [])


def test_a_gate_that_ends_by_a_fault_says_so_and_what_it_has_is_sent(receiver):
    failures: list[str] = []
    ended = threading.Event()

    def failed(thread: str, why: str) -> None:
        failures.append(thread)
        ended.set()

    def report(event: str, fields: dict) -> None:
        raise RuntimeError("no console")

    gate = Gate(lambda data: 1 / 0, receiver, report, failed)
    gate.accept(*clip(0))
    assert ended.wait(SOON_S)
    gate.accept(*clip(1))
    gate.close()
    assert (failures, receiver.sent) == (["gate"], [0, 1])


class Gray:
    """A picture of so bright fields."""

    def __init__(self, level: int, odd: int | None = None) -> None:
        self._level, self._odd = level, odd

    def gray(self, width: int, height: int) -> list[bytes]:
        rows = [bytearray([self._level]) * width for _ in range(height)]
        if self._odd is not None:
            rows[height // 2][width // 3] = self._odd
        return [bytes(row) for row in rows]


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Gray]:
    """What a clip's first picture is, by the clip's bytes."""
    by_clip: dict[bytes, Gray] = {}
    monkeypatch.setattr(decoding, "require_decoder", lambda: None)
    monkeypatch.setattr(decoding, "first_picture", by_clip.__getitem__)
    return by_clip


def test_motion_is_one_field_that_changes_and_not_light_that_changes_everywhere(pictures):
    # The threshold's factor of 1.82 makes 188 or 51 of 100, with the 8 for noise.
    pictures |= {
        b"dim": Gray(50), b"bright": Gray(150), b"usual": Gray(100),
        b"a little": Gray(100, odd=188), b"more": Gray(100, odd=189), b"dark": Gray(100, odd=50),
    }  # fmt: skip
    look = Motion()
    assert look(b"dim"), "the first has none before it"
    assert [look(one) for one in (b"dim", b"bright", b"usual")] == [False, False, False]
    assert [look(one) for one in (b"a little", b"usual")] == [False, False]
    assert [look(one) for one in (b"more", b"usual")] == [True, True], "who comes, and who goes"
    assert [look(one) for one in (b"dark", b"dark")] == [True, False], "who keeps still is missed"


def test_after_a_clip_that_cannot_be_decoded_the_next_is_compared_with_the_last_that_could(
    monkeypatch, pictures
):
    pictures |= {b"usual": Gray(100), b"more": Gray(100, odd=200)}
    look = Motion()
    look(b"usual")
    with pytest.raises(KeyError):
        look(b"broken")
    assert look(b"more")


def test_the_face_gate_asks_the_lab_s_eyes_about_the_first_picture(monkeypatch, pictures):
    pictures |= {EMPTY: Gray(1), SOMEBODY: Gray(2)}
    monkeypatch.setattr(faces, "lab_glance", lambda: lambda picture: picture is pictures[SOMEBODY])
    look = look_of("face")
    assert isinstance(look, SomeFace)
    assert (look(SOMEBODY), look(EMPTY)) == (True, False)


@pytest.mark.parametrize("name", GATES)
def test_a_machine_without_a_decoder_hears_of_it_before_the_first_clip(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DecoderMissing):
        look_of(name)


def test_no_more_than_the_first_picture_is_decoded(monkeypatch):
    given: list[bytes] = []

    def pictures_of(clip: bytes) -> Iterator[str]:
        given.append(clip)
        yield "first"

    monkeypatch.setattr(decoding, "pictures_of", pictures_of)
    whole = stream(3)
    assert first_picture(whole) == "first"
    (began,) = given
    assert whole.startswith(began)
    assert began == stream(1), "all of the first, and no byte more"
    assert first_picture(b"no picture at all") == "first"
    assert given[-1] == b""


def test_the_clips_of_the_film_are_judged_as_the_bench_says():
    """The threshold stands between the film's people and its empty rooms."""
    pytest.importorskip("av")
    from scripts.bench.gate import fixture_clips

    clips = fixture_clips()
    look = Motion()
    seen = {number: look(clips[number]) for number in range(6)}
    assert seen == {0: True, 1: False, 2: False, 3: False, 4: True, 5: True}


def test_a_clip_of_rubbish_is_undecodable_and_no_picture():
    pytest.importorskip("av")
    for rubbish in (b"", b"\0\0\1", stream(2)):
        with pytest.raises(ClipUndecodable):
            first_picture(rubbish)


def test_the_gate_is_a_module_that_needs_no_decoder():
    assert not hasattr(gate_module, "first_picture")
