"""Frames by quality against evenly spread ones: what is counted, on clips that are made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recognition import Settings
from recognition.decode import Clip
from scripts.bench import sharpest
from scripts.bench.sharpest import CHANGING, ClipOutcomes, changing_clip
from scripts.cli.bench_faces import sharpest as command
from scripts.console import Progress
from scripts.errors import LabError
from training.stress import framed

ROOT = Path(__file__).parents[3]


def test_a_name_is_right_missed_or_wrong_and_a_stranger_is_none_of_these():
    came = ClipOutcomes()
    for person, named in (
        ("ada", {"ada"}), ("ada", set()), ("ada", {"bob"}), ("ada", {"ada", "bob"}),
        (None, set()), (None, {"ada"}),
    ):  # fmt: skip
        came.add(person, named, cpu_ms=10.0)
    assert came.figures() == {
        "right": 1, "missed": 1, "wrong": 2, "strangers": 2, "strangers_named": 1, "cpu_ms": 10.0,
    }  # fmt: skip


@pytest.mark.parametrize("kind", CHANGING)
def test_a_changing_clip_is_better_and_worse_in_its_course(kind):
    checks = np.kron(np.indices((20, 20)).sum(0) % 2, np.ones((12, 12)))[..., None]
    rgb = (checks * np.full(3, 170) + 40).astype(np.uint8)
    clip = changing_clip(rgb, kind, np.random.default_rng(1))
    off = [
        np.abs(
            frame.to_rgb()[140:340, 220:420].astype(float) - framed(rgb, index)[140:340, 220:420]
        )
        for index, frame in enumerate(Clip(clip, Settings()).frames(15))
    ]
    assert len(off) == 15
    by_frame = [one.mean() for one in off]
    assert max(by_frame) > 1.3 * min(by_frame)


def test_both_ways_are_asked_about_every_clip(tmp_path, monkeypatch, capsys):
    """On the fixture's people, two kinds of clips."""
    monkeypatch.setattr(sharpest, "CHANGING", {"shaken": CHANGING["shaken"]})
    monkeypatch.setattr(sharpest, "STILL", ("plain",))
    faces = tmp_path / "faces"
    for folder in (ROOT / "fixtures/people").iterdir():
        photo = next(folder.glob("*.jpg"))
        (faces / folder.name).mkdir(parents=True)
        for name in ("a.jpg", "b.jpg"):
            shutil.copyfile(photo, faces / folder.name / name)
    out = tmp_path / "out" / "sharpest.json"
    assert command(["--faces", str(faces), "--json", "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"shaken", "plain"}
    for ways in report.values():
        assert set(ways) == {"even", "sharpest", "one say"}
        for figures in ways.values():
            assert figures["right"] + figures["missed"] + figures["wrong"] == 2
            assert (figures["strangers"], figures["strangers_named"]) == (1, 0)
            assert figures["cpu_ms"] > 0
    assert {figures["right"] for figures in report["plain"].values()} == {2}


def test_people_of_one_picture_each_are_refused():
    """All were enrolled and nobody asked about: the figures were no numbers, and no JSON."""
    with pytest.raises(LabError, match="no face to ask about") as refused:
        sharpest.measure(ROOT / "fixtures/people", 1, Progress(quiet=True))
    assert "more pictures than one" in refused.value.hint
