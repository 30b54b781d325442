"""Minutes of random faults, switched on and off, on the real programs and the real emulator.

FACELAB_STORM_CLIPS says how many clips (two a second): 600 are five minutes.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import Lab
from tests.fakes.programs import Program
from tests.faults.loop import Loop, loop
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
from tests.faults.test_function_faults import functions_of

CLIPS = int(os.environ.get("FACELAB_STORM_CLIPS", "60"))
SEED = int(os.environ.get("FACELAB_STORM_SEED", "9"))
CLIPS_A_SECOND = 2
PATIENCE_S = 240.0


class Storm:
    """Strikes at random moments, and lets go again."""

    def __init__(self, made: Loop, chance: random.Random) -> None:
        self.made = made
        self.chance = chance
        self.kills = 0
        self.struck: list[str] = []
        self._next: list[Callable[[], None]] = []

    def strike(self) -> None:
        if not self._next:  # each kind among every five, however short the storm
            self._next = [*[self._network] * 3, self._viewer, self._function]
            self.chance.shuffle(self._next)
        kind = self._next.pop()
        self.struck.append(kind.__name__.strip("_"))
        kind()

    def _network(self) -> None:
        chance = self.chance
        fault = chance.choice(
            (
                LOST,
                ANSWER_LOST,
                TRUNCATED,
                LATE,
                wrong(chance.choice(STATUSES), chance.choice([*BODIES])),
            )
        )
        share = chance.choice((0.3, 1.0))

        def choose(call: Call) -> Fault | None:
            return fault if chance.random() < share else None

        self.made.proxy.choose = choose
        threading.Event().wait(chance.uniform(0.5, 3.0))
        self.made.proxy.heal()

    def _viewer(self) -> None:
        """kill -9 of messages, and a new one."""
        self.made.viewers[-1].kill()
        self.kills += 1
        self.made.viewer().__enter__().wait_for("start")

    def _function(self) -> None:
        """kill -9 of one of the function's processes."""
        for process in functions_of(self.made.lab):
            with contextlib.suppress(psutil.Error):
                process.kill()
                return


@pytest.mark.timeout(CLIPS / CLIPS_A_SECOND + 3 * PATIENCE_S)
def test_random_faults_on_and_off_all_answered_once(lab: Lab, tmp_path: Path, row: Row):
    chance = random.Random(SEED)  # noqa: S311
    with loop(lab, tmp_path) as made:
        storm = Storm(made, chance)
        try:
            made.viewer().__enter__()
            camera = made.camera(CLIPS, "--loop", "--drain-timeout", PATIENCE_S)
            with camera:
                _until_recorded(camera, storm.strike, chance)
                made.proxy.heal()
                status = camera.end(PATIENCE_S + 30)
                made.wait_until_all_are_shown()
        finally:
            for viewer in made.viewers:
                viewer.kill()
        made.fill(row, may_repeat=storm.kills)
    assert len(set(storm.struck)) == 3, storm.struck
    assert status == 0, camera.errors
    assert row.sent == CLIPS
    row.assert_kept()


def _until_recorded(camera: Program, strike: Callable[[], None], chance: random.Random) -> None:
    deadline = time.monotonic() + CLIPS / CLIPS_A_SECOND + PATIENCE_S
    while len(camera.of("clip")) < CLIPS and time.monotonic() < deadline:
        threading.Event().wait(chance.uniform(0.3, 3.0))
        strike()
