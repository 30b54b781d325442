"""What a clip costs, counted and not timed: a slow machine does not fail it, wasted work does.

A network's work grows with the pixels that go through it. The budgets are what was measured when
they were written, and a little room for another libav; `docs/performance.md` has the story.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from contract.annexb import access_units, nal_units
from scripts.bench.handler_clips import plain_wall
from scripts.paths import ROOT

ROOM = 1.05


class Counted:
    """A session that counts its runs and the pixels that go in."""

    def __init__(self, session, name: str, runs: Counter, pixels: Counter) -> None:
        self._session, self._name, self._runs, self._pixels = session, name, runs, pixels

    def run(self, outputs, inputs):
        (pictures,) = inputs.values()
        self._runs[self._name] += 1
        self._pixels[self._name] += int(np.prod(pictures.shape[:3]))
        return self._session.run(outputs, inputs)


@pytest.fixture
def cost(recognizer, gallery, monkeypatch):
    def cost(clip: bytes) -> SimpleNamespace:
        runs: Counter = Counter()
        pixels: Counter = Counter()
        detector = recognizer._detector
        for owner, name in (
            (detector, "confirm"),
            (detector._proposer, "propose"),
            (recognizer._embedder, "embed"),
        ):
            monkeypatch.setattr(owner, "_session", Counted(owner._session, name, runs, pixels))
        found = recognizer.recognize(clip, gallery, None)
        monkeypatch.undo()
        return SimpleNamespace(
            runs=runs,
            mpx={name: count / 1e6 for name, count in pixels.items()},
            decoded=found.frames_decoded,
        )

    return cost


@pytest.fixture(scope="module")
def recorded() -> list[bytes]:
    clips: list[list[bytes]] = []
    for picture in access_units(nal_units((ROOT / "fixtures" / "lab.h264").read_bytes())):
        if picture.is_key:
            clips.append([])
        clips[-1].append(picture.to_bytes())
    return [b"".join(pictures) for pictures in clips]


def within(cost: SimpleNamespace, **budget_mpx: float) -> bool:
    return all(cost.mpx.get(name, 0) <= ROOM * most for name, most in budget_mpx.items())


def test_one_clear_face_is_proposed_once_and_embedded_once(cost, recorded):
    spent = cost(recorded[12])
    assert within(spent, propose=0.257, confirm=0.102, embed=0.0225), spent.mpx
    assert spent.runs["embed"] == 1
    assert spent.decoded == 15  # the last picture shows who came in; the others lead to it


def test_a_second_face_costs_one_embedding_more(cost, recorded):
    spent = cost(recorded[44])
    assert within(spent, propose=0.257, confirm=0.068, embed=0.045), spent.mpx
    assert spent.runs["embed"] == 2


def test_nobody_in_a_cluttered_room_is_not_looked_for_by_the_original_network(cost, recorded):
    spent = cost(recorded[49])
    assert within(spent, propose=1.441, confirm=0.0, embed=0.0), spent.mpx


def test_a_plain_wall_costs_the_coarse_levels_of_one_picture(cost):
    spent = cost(plain_wall().data)
    assert within(spent, propose=0.150, confirm=0.0, embed=0.0), spent.mpx
    assert spent.decoded == 1
