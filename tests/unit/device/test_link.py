"""The way to the cloud: who may try it, when, and what of a failure is news."""

from __future__ import annotations

import pytest

from device.backoff import Backoff
from device.link import Link
from device.problems import Kind, Problem

DOWN, DENIED = Problem(Kind.NETWORK, "nobody there"), Problem(Kind.DENIED, "not allowed")


class Clock:
    ns = 5_000_000_000

    def __call__(self) -> int:
        return self.ns

    def wait(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def link(clock) -> Link:
    return Link(Backoff(base_s=1.0, cap_s=10.0, random=lambda: 0.5), clock)


def test_an_open_link_is_tried_by_anybody_at_once(link):
    assert link.wait_s() == 0
    assert not link.try_it()
    assert link.wait_s() == 0
    assert link.open() is None


def test_a_closed_one_is_tried_after_the_wait_by_one_at_a_time(link, clock):
    assert link.fail(DOWN, probe=False)
    assert link.is_closed
    assert link.wait_s() == 1.0
    clock.wait(0.75)
    assert link.wait_s() == 0.25
    clock.wait(1)
    assert link.wait_s() == 0
    assert link.try_it()
    assert link.wait_s() is None


def test_each_failed_try_waits_longer_and_a_success_opens_it_and_counts_them(link, clock):
    waits = []
    link.fail(DOWN, probe=False)
    for _ in range(4):
        waits.append(link.wait_s())
        clock.wait(10)
        link.fail(DOWN, probe=link.try_it())
    assert waits == [1.0, 2.0, 4.0, 5.0]
    assert link.open() == 5
    assert (link.is_closed, link.failures, link.wait_s()) == (False, 0, 0)
    assert link.open() is None


def test_calls_that_were_under_way_when_it_closed_are_no_news_and_put_off_no_try(link):
    link.fail(DOWN, probe=False)
    for _ in range(3):
        assert not link.fail(DENIED, probe=False)
    assert (link.failures, link.problem, link.wait_s()) == (1, DOWN, 1.0)


def test_a_try_that_fails_for_another_reason_is_news(link):
    link.fail(DOWN, probe=False)
    assert not link.fail(Problem(Kind.NETWORK, "nobody there"), probe=link.try_it())
    assert link.fail(DENIED, probe=link.try_it())
    assert link.problem is DENIED


def test_a_try_that_said_nothing_of_the_link_lets_the_next_one_try(link, clock):
    link.fail(DOWN, probe=False)
    clock.wait(9)
    link.try_it()
    link.stop_trying()
    assert link.wait_s() == 0
    assert link.is_closed


def test_a_wait_doubles_up_to_its_cap_and_is_spread_over_all_of_it():
    longest = Backoff(base_s=0.25, cap_s=10.0, random=lambda: 1.0)
    waits = [longest.wait_s(failures) for failures in (1, 2, 3, 5, 6, 7, 10_000)]
    assert waits == [0.5, 1.0, 2.0, 8.0, 10.0, 10.0, 10.0]
    assert Backoff(random=lambda: 0.0).wait_s(9) == 0
