"""Calls of the device that are lost, late, cut or answered by somebody else, one kind a test.

The programs and the emulator are the real ones; the proxy between them spoils the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from scripts.console import Progress
from scripts.provision.devices import add_device
from tests.conftest import Lab
from tests.faults.loop import ANSWER_S, loop
from tests.faults.proxy import (
    ANSWER_LOST,
    BODIES,
    LATE,
    LOST,
    STATUSES,
    TRUNCATED,
    Call,
    Fault,
    wrong,
)
from tests.faults.report import Row

CLIPS = 6
CALLS = (
    "sts.GetCallerIdentity",
    "s3.PutObject",
    "sqs.GetQueueUrl",
    "sqs.ReceiveMessage",
    "sqs.DeleteMessageBatch",
)
BROKEN = [LOST, ANSWER_LOST, TRUNCATED, LATE]
AFTER_ALL = [wrong(status, "html", reaches=True) for status in (200, 500)]
# Every status from somebody else's mouth, with two of the bodies each: for S3's PUT all, for the
# other calls one in some.
IN_PLACE = [
    wrong(status, body)
    for number, status in enumerate(STATUSES)
    for body in ("html", [*BODIES][number % len(BODIES)])
]
FAULTS = list(dict.fromkeys([*BROKEN, *AFTER_ALL, *IN_PLACE]))
AT_ONCE = 4  # devices, each behind a proxy of its own: most of a case is waiting


def faults_of(call: str) -> list[Fault]:
    at = CALLS.index(call)
    return [
        fault
        for number, fault in enumerate(FAULTS)
        if fault not in IN_PLACE or call == "s3.PutObject" or number % 5 == at
    ]


@pytest.fixture(scope="module")
def devices(lab: Lab) -> list[str]:
    names = [f"spoiled-{number}" for number in range(AT_ONCE)]
    for name in names:
        add_device(lab.switch, name, Progress(quiet=True))
    return names


@pytest.mark.timeout(900)  # many kinds in one test
@pytest.mark.parametrize("call", CALLS)
def test_spoiled(
    lab: Lab, devices: list[str], tmp_path: Path, new_row: Callable[[str], Row], call: str
):
    free: SimpleQueue[str] = SimpleQueue()
    for device in devices:
        free.put(device)

    def play(number: int, fault: Fault) -> None:
        name = f"{call} {fault.name}{' after all' * fault.reaches}"
        row, device = new_row(f"spoiled: {name}"), free.get()
        try:
            spoil(lab, tmp_path / str(number), device, row, call, fault)
        except Exception as error:
            error.add_note(f"the fault: {name}")
            raise
        finally:
            free.put(device)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        cases = [pool.submit(play, *case) for case in enumerate(faults_of(call))]
        errors = [error for error in (case.exception() for case in cases) if error is not None]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(cases)} kinds of fault", errors)


def spoil(lab: Lab, folder: Path, device: str, row: Row, call: str, fault: Fault) -> None:
    with loop(lab, folder, device) as made:
        made.proxy.spoil(fault, call, times=3)
        with made.viewer(), made.camera(CLIPS, "--speed", 4) as camera:
            assert camera.end(ANSWER_S) == 0, camera.errors
            made.wait_until_all_are_shown()
            # What was to come again (its deletion failed) comes while the viewer still looks.
            made.fill(row)
        assert made.proxy.spoiled, f"{call} was never called: {dict(made.proxy.calls)}"
    assert camera.of("refused") == camera.of("dropped") == []
    row.assert_kept()


def test_captive_portal_for_everything_until_somebody_logs_in(lab: Lab, tmp_path: Path, row: Row):
    portal = wrong(200, "html")
    with loop(lab, tmp_path) as made:
        made.proxy.choose = lambda call: portal
        with made.viewer() as viewer, made.camera(CLIPS, "--speed", 4) as camera:
            camera.wait_for("clip", CLIPS)
            camera.wait_for("link")
            viewer.wait_for("link")
            made.proxy.heal()
            assert camera.end(ANSWER_S) == 0, camera.errors
            made.wait_until_all_are_shown()
            made.fill(row)
    assert camera.of("refused") == []
    row.assert_kept()


def test_every_answer_lost_every_second_time(lab: Lab, tmp_path: Path, row: Row):
    calls: dict[str, int] = {}

    def choose(call: Call) -> Fault | None:
        calls[str(call)] = calls.get(str(call), 0) + 1
        return ANSWER_LOST if calls[str(call)] % 2 else None

    with loop(lab, tmp_path) as made:
        made.proxy.choose = choose
        with made.viewer(), made.camera(CLIPS, "--speed", 4) as camera:
            assert camera.end(ANSWER_S) == 0, camera.errors
            made.wait_until_all_are_shown()
            made.fill(row)
    row.assert_kept()
