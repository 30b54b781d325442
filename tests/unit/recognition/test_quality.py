"""How much a face can be trusted: what it lacks, and what say it has in a vote."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognition import Settings
from recognition.quality import assess

SETTINGS = Settings()
NOISE = np.kron(np.random.default_rng(0).integers(40, 200, (15, 15, 1)), np.ones((10, 10, 3)))
CHIP = NOISE.astype(np.uint8)
SHARP = assess(CHIP, 120, SETTINGS)


def test_a_clear_face_has_a_whole_say_and_a_larger_one_no_more():
    assert (SHARP.weight, SHARP.shortcoming) == (1.0, None)
    assert assess(CHIP, 1000, SETTINGS).weight == 1.0


def test_a_face_half_as_high_has_a_quarter_of_the_say():
    assert assess(CHIP, 60, SETTINGS).weight == pytest.approx(0.25)


def test_a_face_a_quarter_as_sharp_as_wanted_has_half_the_say():
    wanted = replace(SETTINGS, full_weight_blur=SHARP.blur * 4)
    assert assess(CHIP, 120, wanted).weight == pytest.approx(0.5)
    assert assess(CHIP, 60, wanted).weight == pytest.approx(0.125)


def test_only_the_middle_of_a_chip_counts():
    framed = np.zeros_like(CHIP)
    framed[30:120, 30:120] = CHIP[30:120, 30:120]
    assert assess(framed, 120, SETTINGS) == SHARP
    side = slice(30, 120)
    for edge in ((30, side), (side, 30), (119, side), (side, 119)):
        moved = framed.copy()
        moved[edge] = 255
        assert assess(moved, 120, SETTINGS) != SHARP


def test_a_dark_face_is_as_sharp_as_the_same_face_in_light():
    dark = assess((CHIP * 0.4).astype(np.uint8), 120, SETTINGS)
    assert dark.blur == pytest.approx(SHARP.blur, rel=0.1)
    assert dark.contrast == pytest.approx(SHARP.contrast * 0.4, rel=0.05)


def test_what_shows_nothing_at_all_keeps_the_least_say_and_is_not_sharpened():
    flat = assess(np.full((150, 150, 3), 90, np.uint8), 120, SETTINGS)
    assert (flat.contrast, flat.blur, flat.weight) == (0.0, 0.0, 0.01)
    faint = np.full((150, 150, 3), 90, np.uint8)
    faint[::2] += 1  # contrast 0.5, as weak as noise
    stretched = assess(faint, 120, SETTINGS)
    assert stretched.blur < assess(CHIP, 120, SETTINGS).blur / 10


def test_a_face_of_the_smallest_size_may_be_named_and_a_smaller_one_not():
    assert assess(CHIP, SETTINGS.min_face_px, SETTINGS).shortcoming is None
    small = assess(CHIP, SETTINGS.min_face_px - 1, SETTINGS)
    assert small.shortcoming == "too small: 35 px, at least 36"


@pytest.mark.parametrize(("name", "says"), [("contrast", "too dark or pale"), ("blur", "blurred")])
def test_a_limit_itself_is_good_enough_and_less_is_told(name, says):
    found = float(getattr(SHARP, name))
    enough = replace(SETTINGS, **{f"min_{name}": found})
    assert assess(CHIP, 120, enough).shortcoming is None
    less = replace(SETTINGS, **{f"min_{name}": np.nextafter(found, np.inf)})
    assert says in str(assess(CHIP, 120, less).shortcoming)
