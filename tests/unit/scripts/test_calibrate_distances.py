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
    following,
    measured,
    open_set,
    raw_distances_between,
    read,
    reliability,
)
from scripts.bench.distance_groups import by_group
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


def test_what_is_followed_is_counted_apart_for_the_picture_the_person_and_strangers():
    """Two thresholds stood in the settings, and no command said what they do to anybody."""
    settings = Settings()
    before = faces(people=4, pictures=3)
    turned = np.roll(before.embeddings, 1, axis=0)  # each picture where the one before it was
    kinds = {"as it is": before, "turned": replace(before, embeddings=turned)}
    report = following(kinds, settings)
    assert report["track_distance"]["distance"] == settings.track_distance
    for name in ("track_distance", "track_distance_in_place"):
        as_it_is, changed = report[name]["as it is"], report[name]["turned"]
        assert as_it_is == {"same_picture": 1.0, "same_person": 1.0, "strangers": 0.0}
        # Of three pictures of a person two are now another one's, and one is a stranger's.
        assert changed["same_picture"] == pytest.approx(2 / 3, abs=1e-4)
        assert changed["same_person"] == pytest.approx(2 / 3, abs=1e-4)
        assert changed["strangers"] == pytest.approx(4 * 3 / (4 * 3 * 9), abs=1e-6)


def test_strangers_of_one_group_are_named_more_often_where_it_looks_alike():
    """0.2 % of pairs of everybody were near enough, and 1.4 % of pairs of women."""
    random = np.random.default_rng(1)
    rows = random.normal(0, 1, (80, 128))
    rows[40:] = rows[40] + random.normal(
        0, 0.36, (40, 128)
    )  # alike: about 0.5 apart at unit length
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    everybody = VariedFaces(
        rows.astype(np.float32), np.arange(80), np.zeros(80, int), np.full(80, 40.0), missed=0
    )
    people = [f"p{number}" for number in range(80)]
    labels = {"kind": {name: "alike" if int(name[1:]) >= 40 else "apart" for name in people[:-1]}}
    report = by_group(everybody, people, labels, draws=1)["kind"]
    assert set(report) == {"alike", "apart"}, "one without a label has nobody to be compared with"
    assert (report["alike"]["people"], report["alike"]["pairs"]) == (39, 39 * 38 // 2)
    assert (report["apart"]["people"], report["apart"]["pairs"]) == (40, 40 * 39 // 2)
    assert report["apart"]["within_accept"] == 0.0
    assert set(report["apart"]["strangers_named"]) == {"1", "3", "10", "30"}
    assert set(report["apart"]["strangers_named"].values()) == {0.0}
    near = np.linalg.norm(rows[40:79, None] - rows[None, 40:79], axis=2)[np.triu_indices(39, 1)]
    share = (near <= Settings().accept_distance).mean()
    assert report["alike"]["within_accept"] == pytest.approx(share, abs=1e-4)
    assert report["alike"]["strangers_named"]["1"] > 0
