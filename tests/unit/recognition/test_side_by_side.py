"""Two threads for one clip: the same answers in the same order, and no thread left behind."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from recognition import side_by_side
from recognition.decode import Clip
from recognition.detector import Detector
from recognition.side_by_side import Ahead, share

PATIENCE_S = 10


def test_shared_work_comes_back_in_order():
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert share(work, range(20)) == [item * item for item in range(20)]
    assert share(work, [3]) == [9]
    assert share(work, []) == []


def test_two_items_are_worked_on_at_once():
    both_there = threading.Barrier(2)
    share(lambda _: both_there.wait(PATIENCE_S), [1, 2])  # breaks, one after the other


@pytest.mark.parametrize("bad", [0, 1, 7])
def test_an_error_of_either_thread_is_raised_and_ends_both(bad):
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        time.sleep(0.01)
        if item == bad:
            raise ValueError(item)

    with pytest.raises(ValueError, match=str(bad)):
        share(work, range(8))
    count = len(begun)
    time.sleep(0.03)
    assert len(begun) == count


def test_shared_work_may_share_its_own_and_a_busy_helper_is_not_waited_for():
    assert share(lambda row: share(lambda x: x + row, range(3)), range(3)) == [
        [0, 1, 2], [1, 2, 3], [2, 3, 4]
    ]  # fmt: skip
    release = threading.Event()
    side_by_side._HELPER.submit(release.wait, PATIENCE_S)
    try:
        assert share(str, [1, 2]) == ["1", "2"]
    finally:
        release.set()


def test_ahead_makes_a_few_items_before_they_are_asked_for_and_no_more():
    made = []
    enough = threading.Event()

    def items():
        for item in range(20):
            made.append(item)
            if item == side_by_side._ROOM - 1:
                enough.set()
            yield item

    with Ahead(items()) as ahead:
        assert next(ahead) == 0
        assert made == [0]  # nobody asked for more yet
        made.clear()
        enough.clear()
        ahead.start()
        assert enough.wait(PATIENCE_S)
        time.sleep(0.02)
        assert len(made) <= side_by_side._ROOM
        assert list(ahead) == list(range(1, 20))
        assert list(ahead) == []


def test_ahead_raises_where_its_items_do():
    def items():
        yield 1
        raise KeyError("broken")

    with Ahead(items()) as ahead:
        ahead.start()
        assert next(ahead) == 1
        with pytest.raises(KeyError, match="broken"):
            next(ahead)
        with pytest.raises(StopIteration):
            next(ahead)


def test_ahead_leaves_no_thread_behind():
    before = threading.active_count()
    with Ahead(iter(int, 1)) as ahead:  # endless
        ahead.start()
        assert next(ahead) == 0
    assert threading.active_count() == before


def test_the_rest_of_a_clip_is_decoded_while_its_first_frame_is_looked_at(
    recognizer, gallery, film, portraits, monkeypatch
):
    """Decoding to the last frame stood in the answer's way: a fifth of a clip's time."""
    opened = []
    started, find = Clip.__init__, Detector.find

    def opening(clip, *arguments):
        started(clip, *arguments)
        opened.append(clip)

    def slowly(detector, rgb: np.ndarray):
        deadline = time.monotonic() + PATIENCE_S
        while opened[0].pictures_decoded < opened[0].pictures_seen:
            assert time.monotonic() < deadline, "nothing is decoded meanwhile"
            time.sleep(0.001)
        return find(detector, rgb)

    monkeypatch.setattr(Clip, "__init__", opening)
    monkeypatch.setattr(Detector, "find", slowly)
    found = recognizer.recognize(film(portraits["obama-2010"], height=400), gallery, None)
    assert [face.person_id for face in found.faces] == ["barack-obama"]
