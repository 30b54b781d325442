"""What the outbox's threads share: each clip is in exactly the lists that its state says."""

from __future__ import annotations

import json
import re
import threading

import pytest

from contract.clips import ClipKey, ClipMetadata
from device.clip_record import ClipRecord
from device.crew import Crew, describe
from device.underway import Entry, Underway
from tests.conftest import wait_until


def entry(number: int = 1, **state: object) -> Entry:
    key = ClipKey("lab", "2026-11-22", f"c{number}")
    return Entry(ClipRecord.of(key, ClipMetadata(1, 2, number), b"data"), b"data", **state)


@pytest.fixture
def underway() -> Underway:
    return Underway(lambda event, fields: None)


def lists(underway: Underway) -> tuple[bool, ...]:
    return tuple(bool(one) for one in (underway.entries, underway.unsent, underway.unwritten))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, (True, True, True)),
        ({"on_disk": True}, (True, True, False)),
        ({"confirmed": True}, (True, False, True)),
        ({"confirmed": True, "on_disk": True}, (True, False, False)),
    ],
)
def test_a_clip_is_unsent_until_confirmed_and_unwritten_until_on_disk(underway, state, expected):
    with underway.changed:
        underway.add(entry(**state))
    assert lists(underway) == expected


def test_a_confirmed_clip_counts_its_sends_and_may_be_sent_again(underway):
    one = entry(on_disk=True)
    with underway.changed:
        underway.add(one)
        for sends in (1, 2):
            underway.confirm(one, now_ns=sends * 7)
            assert (one.confirmed, one.sends, one.sent_ns) == (True, sends, sends * 7)
            assert lists(underway) == (True, False, False)
            underway.send_again(one)
            assert not one.confirmed
            assert lists(underway) == (True, True, False)


def test_a_forgotten_clip_is_in_no_list_and_only_a_dropped_one_counts(underway):
    with underway.changed:
        for number, leave in enumerate((underway.forget, underway.drop)):
            one = entry(number)
            underway.add(one)
            assert one in underway
            assert entry(number) not in underway  # another of the same name
            leave(one)
            assert one not in underway
            assert lists(underway) == (False, False, False)
            assert underway.totals.dropped == number


@pytest.mark.parametrize("step", ["add", "forget", "send_again"])
def test_whoever_waits_for_a_change_is_woken(underway, step):
    one = entry()
    with underway.changed:
        underway.add(one)
    woken = threading.Event()
    waiting = threading.Event()

    def wait() -> None:
        with underway.changed:
            waiting.set()
            if underway.changed.wait(30):
                woken.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert waiting.wait(30)
    with underway.changed:
        getattr(underway, step)(one)
    assert woken.wait(5)
    thread.join(5)


def test_a_thread_that_ends_by_an_error_is_told_with_the_place():
    told: list[tuple[str, str]] = []
    crew = Crew(lambda name, why: told.append((name, why)))

    def leave() -> None:
        raise SystemExit("a library wants to go")

    def fail() -> None:
        raise KeyError("k")

    deep = lambda: json.loads("{")  # noqa: E731
    works = {"leaves": leave, "fails": fail, "fails deep": deep, "ends": lambda: None}
    for name, work in works.items():
        assert crew.start(name, work).daemon
    crew.join(5)
    whys = dict(told)
    assert whys.keys() == {"leaves", "fails", "fails deep"}
    assert re.search(rf" at {re.escape(json.decoder.__file__)}:\d\d\d$", whys["fails deep"])
    assert not whys["fails deep"].endswith(f":{deep.__code__.co_firstlineno}")
    line = fail.__code__.co_firstlineno + 1
    assert whys["fails"] == f"KeyError: 'k' at {__file__}:{line}"
    assert describe(ValueError("never raised")) == "ValueError: never raised"


def test_to_join_waits_for_each_thread_no_longer_than_it_says():
    end = threading.Event()
    crew = Crew(lambda name, why: None)
    thread = crew.start("waits", lambda: end.wait(30) and None)
    crew.join(0.01)
    assert thread.is_alive()
    end.set()
    crew.join(30)
    wait_until(lambda: not thread.is_alive(), 5, "the thread's end")
