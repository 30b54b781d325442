"""What the camera's gates miss: counted against the truth, clip by clip."""

from __future__ import annotations

import itertools

import pytest

from scripts.bench import gate
from scripts.bench.gate import measure, table
from scripts.cli.bench_loop import gate as command
from scripts.e2e.truth import ClipTruth

TRUTH = [
    ClipTruth(0, (), 0, ()),
    ClipTruth(1, ("ada",), 0, ("small",)),
    ClipTruth(2, (), 0, ("light-change",)),
    ClipTruth(3, (), 1, ("stranger",)),
]
CLIPS = [b"0", b"1", b"2", b"3"]


def test_what_is_held_back_is_saved_or_missed_with_who_it_was():
    found = measure(lambda clip: clip in (b"0", b"3"), CLIPS, TRUTH)
    assert (found["held_back"], found["saved"], found["missed"]) == (2, 1, 1)
    assert found["whom"] == [{"clip": 1, "scene": "ada (small)"}]
    assert found["missed_still"] == 1


def test_who_keeps_still_is_another_question_than_who_comes():
    before: list[bytes] = [b""]

    def motion(clip: bytes) -> bool:
        before.append(clip)
        return before[-1] != before[-2]

    found = measure(motion, CLIPS, TRUTH)
    assert (found["held_back"], found["missed_still"]) == (0, 2)
    assert before == [b"", b"0", b"1", b"1", b"2", b"3", b"3"]


def test_the_time_is_a_look_s():
    """Six looks: four clips, and those with somebody again."""
    clock = itertools.count(0, 0.12)
    assert measure(lambda clip: True, CLIPS, TRUTH, clock.__next__)["cpu_ms_per_clip"] == 20.0


def test_people_read_whom_a_gate_misses(monkeypatch, tmp_path, capsys):
    out = tmp_path / "bench-gate.json"
    monkeypatch.setattr(gate, "read_truth", lambda path: TRUTH)
    monkeypatch.setattr(gate, "fixture_clips", lambda: CLIPS)
    monkeypatch.setattr(gate, "look_of", lambda name: lambda clip: clip != b"1")
    assert command(["--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4 clips, 2 of them with nobody" in said
    assert "motion: holds back 1, 0 with nobody and 1 with somebody (1 if nobody moves)" in said
    assert said.count("  missed: clip 1, ada (small)") == 2
    assert command(["--json", "--out", str(out)]) == 0
    assert '"missed": 1' in capsys.readouterr().out
    assert out.is_file()


def test_a_gate_that_misses_nobody_names_nobody():
    facts = {"clips": 4, "nobody": 2, "gates": {"face": measure(lambda clip: True, CLIPS, TRUTH)}}
    assert "missed" not in table(facts)


def test_the_film_is_cut_into_the_clips_of_its_truth():
    truth = gate.read_truth(gate.FIXTURE / "truth.json")
    assert len(gate.fixture_clips()) == len(truth)


@pytest.mark.parametrize("one", TRUTH, ids=lambda one: one.scene)
def test_strangers_are_somebody(one):
    assert one.somebody == (one.scene.partition(" (")[0] != "nobody")
