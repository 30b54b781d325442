"""What the distances' table says: of both rules, with the score held against what was so."""

from dataclasses import replace

import numpy as np
import pytest

from recognition.reference import RAW
from recognition.settings import Settings
from scripts.bench.calibrate_distances import (
    RULES,
    ProbeOutcome,
    VariedFaces,
    measured,
    open_set,
    raw_distances_between,
    read,
    reliability,
)
from scripts.errors import LabError


def faces(people=8, pictures=5, length=1.0, contrast=40.0):
    random = np.random.default_rng(0)
    owners = np.repeat(np.arange(people), pictures)
    centers = random.normal(0, 1, (people, 128))
    rows = centers[owners] + random.normal(0, 0.15, (len(owners), 128))
    rows *= length / np.linalg.norm(rows, axis=1, keepdims=True)
    return VariedFaces(
        rows.astype(np.float32),
        owners,
        np.tile(np.arange(pictures), people),
        np.full(len(owners), contrast),
        missed=0,
    )


@pytest.mark.parametrize("name", RULES)
def test_people_far_apart_are_named_and_strangers_are_not(name):
    report = measured({"as it is": faces()}, RULES[name], draws=2)
    for shares in report["pictures"]["as it is"]["open_set"].values():
        assert shares == {"named_right": 1.0, "named_wrong": 0.0, "stranger_named": 0.0}


def test_what_poor_light_adds_to_a_distance_counts():
    """Its strangers were counted as if the function would decide by the bare distance."""
    settings = Settings(dim_slack=0.5)
    rule = replace(RULES["unit length"], settings=settings)
    kinds = {"as it is": faces(), "dark": faces(contrast=settings.dim_contrast - 0.1)}
    report = measured(kinds, rule, draws=1)["pictures"]
    named = {
        kind: [shares["named_right"] for shares in report[kind]["open_set"].values()]
        for kind in kinds
    }
    assert set(named["as it is"]) == {1.0}
    assert set(named["dark"]) == {0.0}


def test_raw_distances_depend_on_the_lengths_and_those_at_unit_length_do_not():
    short, long = faces(length=0.5), faces(length=2.0)
    unit = RULES["unit length"].between
    assert unit(short.embeddings, short.embeddings) == pytest.approx(
        unit(long.embeddings, long.embeddings), abs=1e-5
    )
    apart = raw_distances_between(long.embeddings, long.embeddings)
    assert apart == pytest.approx(
        4 * raw_distances_between(short.embeddings, short.embeddings), abs=1e-4
    )


def test_the_raw_rule_decides_as_the_reference_recognizer_does():
    assert RULES["raw"].settings is RAW
    assert RULES["unit length"].settings == Settings()


def test_a_score_is_held_against_as_many_strangers_as_known_faces():
    """A thousand strangers must not make a guess look worse than ten would."""
    known = [ProbeOutcome(True, True, True, 0.9)] * 9 + [ProbeOutcome(True, False, False, 0.9)]
    few = reliability([*known, *[ProbeOutcome(False, False, False, 0.01)] * 10])
    many = reliability([*known, *[ProbeOutcome(False, False, False, 0.01)] * 1000])
    assert few["0.8 to 0.95"] == many["0.8 to 0.95"] == {"said": 0.9, "was": 0.9, "n": 10}
    assert many["0 to 0.05"]["was"] == 0.0
    certain = reliability([*known[:1], *[ProbeOutcome(False, False, False, 1.0)] * 4])
    assert certain["0.95 to 1"] == {"said": 1.0, "was": 0.0, "n": 4}


def test_a_wrong_name_is_not_a_right_one_and_no_stranger_is_known():
    came = [
        ProbeOutcome(True, True, True, 0.9),
        ProbeOutcome(True, False, True, 0.9),
        ProbeOutcome(False, False, True, 0.9),
        ProbeOutcome(False, False, False, 0.1),
    ]
    assert open_set(came) == {"named_right": 0.5, "named_wrong": 0.5, "stranger_named": 0.5}


def test_a_damaged_picture_is_named_instead_of_ending_in_opencv(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada/1.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(LabError, match=r"ada/1\.png"):
        list(read(tmp_path))
