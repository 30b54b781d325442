"""The filter of system calls, step by step, as the kernel runs it."""

from __future__ import annotations

import errno
import platform

import pytest

from localstack_image_functions.process.calls import MACHINES, call_filter

LOAD, IF_EQUAL, IF_AT_LEAST = 0x20, 0x15, 0x35
OPEN, AF_INET, AF_VSOCK, IO_URING_SETUP = 1000, 2, 40, 425


def answer(name: str, call: int, first: int = 0, audited: int | None = None) -> int:
    """The error that a call gets; 0 for none."""
    filtered = call_filter(name)
    assert filtered is not None
    steps, at, held = filtered["steps"], 0, 0
    seen = {0: call, 4: MACHINES[name].audited if audited is None else audited, 16: first}
    while True:
        what, when_so, when_not, value = steps[at]
        at += 1
        if what == LOAD:
            held = seen[value]
        elif what == IF_EQUAL:
            at += when_so if held == value else when_not
        elif what == IF_AT_LEAST:
            at += when_so if held >= value else when_not
        else:
            return value & 0xFFFF if value < 0x7FFF0000 else 0


@pytest.mark.parametrize("name", MACHINES)
def test_only_what_leads_past_the_walls_is_refused(name: str) -> None:
    of = MACHINES[name]
    other = next(one.audited for one in MACHINES.values() if one != of)
    assert answer(name, of.socket, AF_INET) == 0
    assert answer(name, OPEN, AF_VSOCK) == 0
    assert answer(name, of.socket, AF_VSOCK) == errno.EAFNOSUPPORT
    assert answer(name, IO_URING_SETUP) == errno.ENOSYS
    assert answer(name, of.socket | 0x40000000, AF_VSOCK) == errno.ENOSYS
    assert answer(name, of.socket, AF_INET, audited=other) == errno.ENOSYS


def test_machines_that_are_not_known_are_not_filtered() -> None:
    assert call_filter("riscv64") is None
    assert call_filter() == call_filter(platform.machine())
